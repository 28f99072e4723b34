package ssh

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/stages"
)

// fake is a launcher whose ssh is a shell script.
func fake(t *testing.T, script string) (*launcher, string) {
	t.Helper()
	return fakeHosts(t, script, "anna@bee")
}

func fakeHosts(t *testing.T, script string, hosts ...string) (*launcher, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte("#!/bin/sh\nfor a; do echo \"$a\" >>"+dir+"/args; done\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	s := Settings{Hosts: hosts, Slots: 1, GPUs: 1}
	l, err := s.Launcher(launch.Site{
		ID: siteID, Name: "lab", Program: filepath.Join(dir, "ssh"), Dir: dir, Environment: []string{"PATH=" + dir + ":/usr/bin:/bin"}, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*launcher), dir
}

// ssh is called so that it never asks, ends in time, shares connections, and takes no
// host for an option.
func TestArguments(t *testing.T) {
	l, dir := fake(t, "exit 255")
	_ = l.Check(t.Context(), nil)
	b, err := os.ReadFile(filepath.Join(dir, "args"))
	if err != nil {
		t.Fatal(err)
	}
	got := string(b)
	for _, want := range []string{"BatchMode=yes\n", "ConnectTimeout=10\n", "ServerAliveInterval=5\n", "ControlMaster=auto\n", "ControlPath=" + l.sockets + "/0\n", "--\nanna@bee\nexec /bin/sh -s\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if strings.Contains(got, "StrictHostKeyChecking") || strings.Contains(got, "UserKnownHostsFile") {
		t.Errorf("host keys are the user's business: %s", got)
	}
	if info, err := os.Stat(l.sockets); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the connections: %v, %v", info, err)
	}
}

func TestHostsThatAreNotUsed(t *testing.T) {
	host := func(change string) string {
		return `cat >/dev/null
uname="Linux $(uname -m)"; home=/home/anna; free=1000000; lacks=; folder=
` + change + `
echo "Welcome to bee!"
echo "nbpipe:uname $uname"; echo "nbpipe:home $home"; [ -z "$lacks" ] || echo "nbpipe:lacks $lacks"
[ -z "$folder" ] || { echo nbpipe:folder; exit; }
echo "nbpipe:free $free"; echo nbpipe:done`
	}
	for name, c := range map[string]struct{ script, want string }{
		"unreachable":  {"echo 'ssh: connect to host bee port 22: No route to host' >&2; exit 255", "No route to host"},
		"host key":     {"echo 'Host key verification failed.' >&2; exit 255", "connect to it by hand once"},
		"password":     {"echo 'anna@bee: Permission denied (publickey,password).' >&2; exit 255", "without a password"},
		"architecture": {host(`uname="Linux riscv64"`), `a machine of the kind "Linux riscv64"`},
		"space":        {host("free=2048"), "no space: 2 MiB are free"},
		"program":      {host("lacks=flock"), "it has no program flock"},
		"home":         {host("home='/home/a b'"), `its home folder "/home/a b"`},
		"folder":       {host("folder=1"), "no folder can be made there"},
		"no shell":     {"echo This account is not available.", "it runs no scripts"},
		"cut copy":     {host("") + "\n", "the copy of nbpipe is not whole"},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := fake(t, c.script)
			err := l.Check(t.Context(), nil)
			if err == nil || !strings.HasPrefix(err.Error(), `executor "lab": no host can be used: anna@bee: `) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// One host that is ready is enough to begin. The program goes to the others meanwhile, to
// one at a time, however long that takes: workers that wait say how far it is.
func TestOneHostIsEnough(t *testing.T) {
	script := `case "$*" in
*"exec cat"*) head -c 1 >/dev/null; exec sleep 1000;;
esac
cat >/dev/null
echo "nbpipe:uname Linux $(uname -m)"; echo nbpipe:home /home/anna; echo nbpipe:free 1000000
case "$*" in *good*) echo nbpipe:program;; esac
echo nbpipe:done`
	l, dir := fakeHosts(t, script, "slow", "good", "slower")
	began := time.Now()
	if err := l.Check(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context(), []launch.Worker{{ID: "a", Avoid: []string{"good"}}}); err != nil {
		t.Fatal(err)
	}
	reason := ""
	for !strings.Contains(reason, "MiB") && time.Since(began) < 20*time.Second {
		found, err := l.Poll(t.Context())
		if err != nil || len(found) != 1 || found[0].State != launch.Pending {
			t.Fatal(found, err)
		}
		reason = found[0].Reason
		time.Sleep(20 * time.Millisecond)
	}
	if n := strings.Count(reason, " (0.0 of 0.0 MiB)"); n != 1 || strings.Count(reason, "; nbpipe is being copied to slow") != 2 || l.Slots() != 1 {
		t.Errorf("%q; %d slots", reason, l.Slots())
	}
	b, err := os.ReadFile(filepath.Join(dir, "args"))
	if n := strings.Count(string(b), "exec cat"); err != nil || n != 1 {
		t.Errorf("%d copies at a time, %v", n, err)
	}

	// Where all of them take long, a check passes before whoever asks loses patience.
	l, _ = fakeHosts(t, script, "slow", "slower")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if err := l.Check(ctx, nil); err != nil {
		t.Error(err)
	}
}

// A call that hangs ends, with all that it started.
func TestCallsEnd(t *testing.T) {
	l, _ := fake(t, "sleep 1000 & sleep 1000")
	l.hosts[0].limit = 200 * time.Millisecond
	began := time.Now()
	if err := l.Check(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "it does not answer within 200ms") {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestNeeds(t *testing.T) {
	l, _ := fake(t, "exit 255")
	if err := l.Check(t.Context(), []stages.Resources{{GPUs: 2}}); err == nil || !strings.Contains(err.Error(), "say gpus = 2") {
		t.Error(err)
	}
	l.site.Environment = []string{"PATH=/nowhere"}
	if err := l.Check(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "install the OpenSSH client") {
		t.Error(err)
	}
	if err := l.Start(t.Context(), []launch.Worker{{ID: "../x"}}); err == nil {
		t.Error("an ID that leaves its folder was taken")
	}
}

// Words come through as they are, and nothing in them is run; what a prologue sets is
// there.
func TestStartScript(t *testing.T) {
	l, dir := fake(t, "")
	l.digest = "d"
	h := l.hosts[0]
	bin := filepath.Join(dir, ".cache/nbpipe/bin/d")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, ".cache/nbpipe", h.folder(), "workers"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "nbpipe"), []byte("#!/bin/sh\necho \"$X $CUDA_VISIBLE_DEVICES $NBPIPE_WORKER_HOST\"; umask; for a; do echo \"<$a>\"; done\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	words := []string{"a b", "'", "$(touch " + dir + "/never)", "`x`", "*", "", "\\"}
	cmd := exec.Command("/bin/sh", "-s")
	cmd.Stdin = strings.NewReader("umask 002\n" + h.prelude() + start("anna@bee", "w", []string{"export X='it is set'"}, words, nil, []int{0, 3}, 5) + "wait\n")
	cmd.Env = []string{"HOME=" + dir, "PATH=/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "nbpipe:started w\n" {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, ".cache/nbpipe", h.folder(), "workers/w/log"))
	if want := "it is set 0,3,1,2,4 anna@bee\n0002\n<" + strings.Join(words, ">\n<") + ">\n"; err != nil || string(b) != want {
		t.Errorf("%q, %v, want %q", b, err, want)
	}
}

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct {
		s    Settings
		want string
	}{
		"no host":  {Settings{Slots: 1}, "hosts"},
		"option":   {Settings{Hosts: []string{"-oProxyCommand=x"}, Slots: 1}, "hosts"},
		"option 2": {Settings{Hosts: []string{"-l@bee"}, Slots: 1}, "hosts"},
		"shell":    {Settings{Hosts: []string{"bee;x"}, Slots: 1}, "hosts"},
		"twice":    {Settings{Hosts: []string{"bee", "bee"}, Slots: 1}, "hosts"},
		"slots":    {Settings{Hosts: []string{"bee"}}, "slots"},
		"gpus":     {Settings{Hosts: []string{"bee"}, Slots: 1, GPUs: -1}, "gpus"},
		"lines":    {Settings{Hosts: []string{"bee"}, Slots: 1, Prologue: []string{"a\nb"}}, "prologue"},
		"good":     {Settings{Hosts: []string{"bee", "anna@bee.example.org", "10.0.0.7", "fe80::1"}, Slots: 4, GPUs: 8}, ""},
	} {
		got := ""
		for _, p := range c.s.Check() {
			got += p.Attribute
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func FuzzParseLook(f *testing.F) {
	f.Add("nbpipe:uname Linux x86_64\nnbpipe:running a 0,1\nnbpipe:ended b good bye\nnbpipe:free 12\nnbpipe:done")
	f.Fuzz(func(t *testing.T, text string) {
		s := parseLook(said(text))
		for id, gpus := range s.running {
			if !idPattern.MatchString(id) {
				t.Errorf("%q", id)
			}
			for _, g := range gpus {
				if g < 0 || g >= maxGPUs {
					t.Error(g)
				}
			}
		}
	})
}

// Workers of a silent host are told as they were, until their leases must have ended;
// should one live after all, its host says so.
func TestSilentHost(t *testing.T) {
	l, _ := fake(t, "")
	h, now := l.hosts[0], time.Unix(1e9, 0)
	h.silent, h.problem, h.answered = true, "No route to host", now
	h.workers["a"] = &placed{state: launch.Running}
	for _, c := range []struct {
		after time.Duration
		want  launch.State
	}{{time.Minute, launch.Running}, {lost, launch.Running}, {lost + 1, launch.Ended}} {
		got := l.statuses(now.Add(c.after))
		if len(got) != 1 || got[0].State != c.want || got[0].Reason != "anna@bee does not answer: No route to host" {
			t.Errorf("after %v: %v", c.after, got)
		}
	}
	if got := l.statuses(now.Add(lost + 2)); len(got) != 0 || l.Slots() != 1 {
		t.Errorf("%v, %d slots", got, l.Slots())
	}
	h.silent, h.problem = false, ""
	h.compare(parseLook([]string{"running a 0"}))
	if got := l.statuses(now); len(got) != 1 || got[0].State != launch.Running {
		t.Errorf("%v", got)
	}
}
