package ssh

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/stages"
)

const siteID = "0123456789abcdef"

// The workers of these tests write what they see to files named by their IDs, and
// sleep. One that is told "deaf" has a child that does not end when it is told to.
const program = `#!/bin/sh
echo "$CUDA_VISIBLE_DEVICES" >"$2/$1.began"
env >"$2/$1.env"
[ -n "$4" ] && cat "$4" >"$2/$1.file"
[ "$5" = deaf ] && { sh -c 'trap "" TERM; while :; do sleep 1; done' & echo $! >"$2/$1.child"; }
trap 'echo told to end; kill $s; exit 3' TERM
sleep "$3" & s=$!
wait $s
[ -n "$4" ] && cat "$4" >"$2/$1.file"
echo "$1" >"$2/$1.ended"
echo "good bye"
`

type rig struct {
	*server
	dir, site string
	mu        sync.Mutex
	told      []string
	*launcher
}

func newRig(t *testing.T, s Settings) *rig {
	t.Helper()
	t.Parallel() // each with an sshd of its own
	r := &rig{server: newServer(t), dir: t.TempDir(), site: t.TempDir()}
	r.write("worker", program, 0o755)
	r.open(s)
	t.Cleanup(func() { r.launcher.Close() })
	return r
}

// open is what a controller does that begins.
func (r *rig) open(s Settings) {
	r.t.Helper()
	for _, p := range s.Check() {
		r.t.Fatal(p)
	}
	l, err := s.Launcher(launch.Site{
		ID: siteID, Name: "lab", Program: filepath.Join(r.server.dir, "worker"), Dir: r.site, Environment: r.environ, Now: time.Now,
		Tell: func(m string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.told = append(r.told, m)
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.launcher = l.(*launcher)
	for _, h := range r.hosts {
		h.connect, h.limit = 2*time.Second, 10*time.Second
	}
}

func (r *rig) toldOf(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(strings.Join(r.told, "\n"), text)
}

func (r *rig) begin(id string, seconds int, gpus int, more ...string) {
	r.t.Helper()
	w := launch.Worker{ID: id, Args: append([]string{id, r.dir, fmt.Sprint(seconds)}, more...), Resources: stages.Resources{GPUs: gpus}}
	if len(more) > 0 && more[0] != "" {
		w.Files = []string{more[0]}
	}
	if err := r.Start(r.t.Context(), []launch.Worker{w}); err != nil {
		r.t.Fatal(err)
	}
}

// until polls, and returns the statuses for which it is so.
func (r *rig) until(what string, is func(map[string]launch.Status) bool) map[string]launch.Status {
	r.t.Helper()
	var last map[string]launch.Status
	var failed error
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		found, err := r.Poll(r.t.Context())
		if failed = err; err != nil {
			continue
		}
		last = map[string]launch.Status{}
		for _, s := range found {
			last[s.ID] = s
		}
		if is(last) {
			return last
		}
	}
	r.t.Fatalf("%s: not in time; %v, %v; told %q", what, last, failed, r.told)
	return nil
}

func (r *rig) untilState(id string, want launch.State) launch.Status {
	r.t.Helper()
	return r.until(id+" is "+string(want), func(s map[string]launch.Status) bool { return s[id].State == want })[id]
}

func (r *rig) untilFile(name string) string {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if b := r.read(name); b != "" {
			return b
		}
	}
	r.t.Fatalf("there is no %s", name)
	return ""
}

func (r *rig) read(name string) string {
	b, _ := os.ReadFile(filepath.Join(r.dir, name))
	return string(b)
}

func two() Settings { return Settings{Hosts: []string{"ant", "bee"}, Slots: 2, GPUs: 2} }

// Workers run on both hosts; the program is copied once to a home folder that they
// share; GPUs are given out by number, its own first, and what finds none waits.
func TestWorkersRun(t *testing.T) {
	r := newRig(t, two())
	if err := r.launcher.Check(t.Context(), []stages.Resources{{}, {GPUs: 2}}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		r.begin(id, 3, 2)
	}
	r.begin("c", 0, 1)
	s := r.until("two run", func(s map[string]launch.Status) bool {
		return s["a"].State == launch.Running && s["b"].State == launch.Running
	})
	if s["a"].Host == s["b"].Host || s["c"].State != launch.Pending || s["c"].Reason != "no slot or GPU is free" {
		t.Errorf("%v", s)
	}
	ended := map[string]string{} // each end is told once
	r.until("all have ended", func(s map[string]launch.Status) bool {
		for id, st := range s {
			if st.State == launch.Ended {
				ended[id] += st.Reason
			}
		}
		return len(ended) == 3
	})
	for id, reason := range ended {
		if reason != "good bye" {
			t.Errorf("%s ended: %q", id, reason)
		}
	}
	if got := r.read("a.began") + r.read("b.began") + r.read("c.began"); got != "0,1\n0,1\n0,1\n" {
		t.Errorf("GPUs: %q", got)
	}
	if env := r.read("a.env"); strings.Contains(env, "hunter2") || !strings.Contains(env, "HOME="+r.home+"\n") {
		t.Errorf("environment: %s", env)
	}
	programs, _ := filepath.Glob(r.home + "/.cache/nbpipe/bin/*")
	if len(programs) != 1 || strings.HasPrefix(filepath.Base(programs[0]), "tmp") {
		t.Errorf("programs: %v", programs)
	}
}

// The program goes to a host once for each version of it, and a copy that is cut short
// is not taken.
func TestCopiedOnce(t *testing.T) {
	r := newRig(t, Settings{Hosts: []string{"ant"}, Slots: 1})
	copies := func() int { return strings.Count(r.calls(), "exec cat >"+r.home+"/.cache/nbpipe/bin/") }
	for i, want := range []int{1, 1, 2} {
		if i == 2 {
			r.write("worker", program+"# another one\n", 0o755)
		}
		r.launcher.Close()
		r.open(r.launcher.Settings)
		if err := r.launcher.Check(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if got := copies(); got != want {
			t.Errorf("controller %d: copied %d times, want %d", i, got, want)
		}
	}
	h := r.hosts[0]
	part := r.home + "/.cache/nbpipe/bin/" + h.l.digest + ".part"
	if err := h.put(t.Context(), part, strings.NewReader("#!/bin/sh\n"), 10); err != nil {
		t.Fatal(err)
	}
	lines, err := h.script(t.Context(), h.prelude()+install("tmp-half"))
	if err != nil || len(lines) != 1 || lines[0] != "damaged" {
		t.Errorf("half a copy: %q, %v", lines, err)
	}
}

// A copy goes on where an earlier one was cut off, and what is left of others that were
// not finished, and of versions that nobody uses, is swept.
func TestCopyGoesOn(t *testing.T) {
	r := newRig(t, Settings{Hosts: []string{"ant", "bee"}, Slots: 1})
	r.write("worker", program+"# "+strings.Repeat("much of it ", 1000)+"\n", 0o755)
	r.open(r.launcher.Settings)
	if err := r.prepare(); err != nil {
		t.Fatal(err)
	}
	packed, err := r.pack()
	if err != nil {
		t.Fatal(err)
	}
	bin := r.home + "/.cache/nbpipe/bin/"
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	half := len(packed) / 2
	if err := os.WriteFile(bin+r.digest+".part", packed[:half], 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-50 * 24 * time.Hour)
	for _, name := range []string{"0123", "tmp-0123", "4567.part", "89ab"} {
		if err := os.Mkdir(bin+name, 0o700); err != nil {
			t.Fatal(err)
		}
		if name != "89ab" {
			if err := os.Chtimes(bin+name, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.launcher.Check(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var first *host
	for _, h := range r.hosts {
		if h.toCopy.Load() > 0 {
			first = h
		}
	}
	if first == nil || first.toCopy.Load() != int64(len(packed)) || first.copied.Load() != first.toCopy.Load() || !strings.Contains(r.calls(), "exec cat >>"+bin+r.digest+".part") {
		t.Errorf("it did not go on: %+v; %s", first, r.calls())
	}
	if !r.both() || strings.Count(r.calls(), r.digest+".part") != 1 {
		t.Errorf("the hosts share a home folder, and it was copied twice: %s", r.calls())
	}
	var left []string
	found, _ := os.ReadDir(bin)
	for _, f := range found {
		left = append(left, f.Name())
	}
	if strings.Join(left, " ") != "89ab "+r.digest && strings.Join(left, " ") != r.digest+" 89ab" {
		t.Errorf("left: %v", left)
	}
}

// both waits until both hosts are ready.
func (r *rig) both() bool {
	for range 200 {
		r.launcher.mu.Lock()
		ready := r.hosts[0].ready && r.hosts[1].ready
		r.launcher.mu.Unlock()
		if ready {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}

// A connection that is cut leaves the worker alone, which is found again; there are
// never two with one ID.
func TestConnectionIsCut(t *testing.T) {
	r := newRig(t, Settings{Hosts: []string{"ant"}, Slots: 1})
	r.begin("a", 8, 0)
	r.untilState("a", launch.Running)
	r.untilFile("a.began")
	if n := r.cut(); n == 0 {
		t.Fatal("there is no session to cut")
	}
	r.untilState("a", launch.Running)
	r.down() // the host is away
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if _, err := r.Poll(t.Context()); err != nil {
			if !strings.Contains(err.Error(), `executor "lab": no host answers: ant: `) {
				t.Error(err)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("that the host is away is not noticed")
		}
	}
	if err := r.Cancel(t.Context(), []string{"b"}); err != nil {
		t.Errorf("cancelling what is not there: %v", err)
	}
	r.up()
	if got := r.untilState("a", launch.Ended); got.Reason != "good bye" || r.read("a.ended") != "a\n" {
		t.Errorf("it ended: %v, %q", got, r.read("a.ended"))
	}
	if !r.toldOf("ant is not used: ") || !r.toldOf("ant is used again") {
		t.Errorf("told %q", r.told)
	}
}

// A host that does not answer is not waited for, and says why; its silent workers end
// only when their leases must have.
func TestHostThatDoesNotAnswer(t *testing.T) {
	r := newRig(t, Settings{Hosts: []string{"mute", "stranger", "ant"}, Slots: 1})
	if err := r.launcher.Check(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := r.Slots(); n != 1 {
		t.Errorf("%d slots", n)
	}
	if _, err := r.Poll(t.Context()); err != nil { // the first one waits for what hosts say of old workers
		t.Fatal(err)
	}
	r.begin("a", 2, 0)
	r.begin("b", 0, 0)
	began := time.Now()
	s := r.until("one runs", func(s map[string]launch.Status) bool { return s["a"].State == launch.Running })
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("waited %v for a host that does not answer", took)
	}
	for _, want := range []string{"mute: ", "stranger: Host key verification failed.: connect to it by hand once"} {
		if s["b"].State != launch.Pending || !strings.Contains(s["b"].Reason, want) {
			t.Errorf("%v, want %q", s["b"], want)
		}
	}
	r.untilState("b", launch.Ended)
	r.mu.Lock()
	if len(r.told) != 2 {
		t.Errorf("told %q", r.told)
	}
	r.mu.Unlock()

	r.launcher.Close()
	r.open(Settings{Hosts: []string{"mute"}, Slots: 1})
	err := r.launcher.Check(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), `executor "lab": no host can be used: mute: `) {
		t.Error(err)
	}
}

// Another controller finds the workers, keeps their files fresh, and can end them with
// all that they started.
func TestAnotherControllerGoesOn(t *testing.T) {
	settings := Settings{Hosts: []string{"ant"}, Slots: 2}
	r := newRig(t, settings)
	secret := filepath.Join(r.site, "credentials")
	key := filepath.Join(r.site, "key.json")
	if err := os.WriteFile(secret, []byte("first-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, fmt.Appendf(nil, `{"credentials":%q,"key":"private-key"}`, secret), 0o600); err != nil {
		t.Fatal(err)
	}
	w := launch.Worker{ID: "a", Args: []string{"a", r.dir, "1000", secret, "deaf"}, Files: []string{key, secret}}
	if err := r.Start(t.Context(), []launch.Worker{w}); err != nil {
		t.Fatal(err)
	}
	r.untilState("a", launch.Running)
	if got := r.untilFile("a.file"); got != "first-secret" {
		t.Errorf("its file: %q", got)
	}
	folder := r.home + "/.cache/nbpipe/" + r.hosts[0].folder() + "/files/"
	b, _ := os.ReadFile(folder + remoteName(key))
	if want := fmt.Sprintf(`{"credentials":%q,"key":"private-key"}`, folder+remoteName(secret)); string(b) != want {
		t.Errorf("a file that names the other: %s, want %s", b, want)
	}

	dead := r.launcher
	dead.stop() // the controller dies, and leaves its connection
	t.Cleanup(func() { dead.Close() })
	r.open(settings)
	r.untilState("a", launch.Running)
	if err := os.WriteFile(secret, []byte("second-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.until("the file is fresh", func(map[string]launch.Status) bool {
		b, _ := os.ReadFile(folder + remoteName(secret))
		return string(b) == "second-secret"
	})
	found, _ := filepath.Glob(folder + "*")
	for _, f := range found {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
	if len(found) != 2 || strings.Contains(r.calls(), "secret") || strings.Contains(r.calls(), "private-key") {
		t.Errorf("files %v; calls: %s", found, r.calls())
	}
	r.ends("a", folder)
}

// What workers read is taken from a host when the last of them has ended there, however
// it did, and whether or not a controller is there: home folders are shared, and backed up.
func TestSecretsGoWithTheLastWorker(t *testing.T) {
	settings := Settings{Hosts: []string{"ant"}, Slots: 2}
	r := newRig(t, settings)
	secret := filepath.Join(r.site, "credentials")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder := r.home + "/.cache/nbpipe/" + r.hosts[0].folder() + "/files/"
	files := func() int {
		left, _ := os.ReadDir(folder)
		return len(left)
	}
	gone := func() {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); files() > 0; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d files are left", files())
			}
		}
	}
	r.begin("short", 1, 0, secret)
	r.begin("long", 5, 0, secret)
	r.until("both run", func(s map[string]launch.Status) bool {
		return s["short"].State != launch.Pending && s["long"].State == launch.Running
	})
	dead := r.launcher
	dead.stop() // the controller dies
	t.Cleanup(func() { dead.Close() })
	r.untilFile("short.ended")
	time.Sleep(time.Second)
	if files() != 1 {
		t.Errorf("%d files while a worker is there", files())
	}
	r.untilFile("long.ended")
	gone()

	// They come again with the next worker, and go when it is killed.
	r.open(settings)
	r.begin("killed", 1000, 0, secret)
	r.untilState("killed", launch.Running)
	r.untilFile("killed.began")
	if files() != 1 {
		t.Errorf("%d files while a worker is there", files())
	}
	b, err := os.ReadFile(filepath.Dir(filepath.Clean(folder)) + "/workers/killed/pid")
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil {
		t.Fatal(err)
	}
	r.launcher.stop()
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone()
}

// ends cancels a worker that has a child that hears nothing.
func (r *rig) ends(id, folder string) {
	r.t.Helper()
	var child int
	if _, err := fmt.Sscan(r.untilFile(id+".child"), &child); err != nil {
		r.t.Fatal(err)
	}
	if err := r.Cancel(r.t.Context(), []string{id, "unknown"}); err != nil {
		r.t.Fatal(err)
	}
	if err := r.launcher.Close(); err != nil {
		r.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		left, _ := os.ReadDir(folder)
		if syscall.Kill(child, 0) != nil && len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("child: %v; files: %v", syscall.Kill(child, 0), left)
		}
	}
	if r.read(id+".ended") != "" {
		r.t.Error("it went on to its end")
	}
	if _, err := os.Stat(r.sockets); err == nil {
		r.t.Error("the connections' folder is left")
	}
}
