package sandbox

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// confined runs a shell script under a policy in a fresh folder.
func confined(t *testing.T, p Policy, script string) (string, Denials) {
	t.Helper()
	s := &Sandbox{}
	if missing := s.Support().Missing(); len(missing) > 0 {
		if os.Getenv("NBPIPE_CI") != "" {
			t.Fatalf("missing: %q", missing)
		}
		t.Skipf("this machine has no whole sandbox: %v", s.Support())
	}
	dir := t.TempDir()
	p.Write = append(p.Write, dir)
	var out bytes.Buffer
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Dir: dir, Env: []string{"PATH=/usr/bin:/bin", "HOME=" + dir, "OUTSIDE=" + strconv.Itoa(os.Getpid())}, Stdout: w, Stderr: w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	running, err := s.Start(cmd, p)
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(&out, r)
	_ = cmd.Wait()
	return out.String(), running.End().Denials
}

func TestFiles(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("s3cr3t"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(secret)
	tests := map[string]struct {
		script, want string
		denied       []Denial
	}{
		"reading":         {"cat " + secret, "Permission denied", []Denial{{secret, ToRead}}},
		"by a link":       {"ln -s " + secret + " l; cat l 2>&1 | grep -o denied", "denied", nil},
		"listing":         {"ls " + dir, "Permission denied", []Denial{{dir, ToRead}}},
		"stat":            {"stat -c %s " + secret, "6", nil},
		"nothing there":   {"cat " + dir + "/none", "No such file", nil},
		"writing":         {"echo x > " + dir + "/new", "Permission denied", []Denial{{dir + "/new", ToWrite}}},
		"changing":        {"echo x > " + secret, "Permission denied", []Denial{{secret, ToWrite}}},
		"removing":        {"rm -f " + secret, "Permission denied", nil},
		"making":          {"mkdir " + dir + "/d", "Permission denied", nil},
		"truncating":      {"truncate -s 0 " + secret, "Permission denied", []Denial{{secret, ToWrite}}},
		"etc":             {"echo x > /etc/nbpipe-test", "Permission denied", []Denial{{"/etc/nbpipe-test", ToWrite}}},
		"scratch":         {"mkdir a b; echo 1 > a/x; mv a/x b/x; cat b/x; printf '#!/bin/sh\\necho ran' > p; chmod +x p; ./p", "1\nran", nil},
		"devices":         {"echo x > /dev/null; head -c 4 /dev/urandom | wc -c; echo y > /dev/shm/nbpipe-test && rm /dev/shm/nbpipe-test && echo shm", "4\nshm", nil},
		"standard ones":   {"ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3 ", nil}, // 3 is the listing itself
		"umask":           {"umask; touch f; stat -c %a f", "0022\n644", nil},
		"other's memory":  {"cat /proc/$OUTSIDE/environ", "Permission denied", nil},
		"signals":         {"kill -0 $OUTSIDE", "ermi", nil},
		"own name":        {"printf me > /proc/self/comm; cat /proc/$$/comm; printf you > /proc/$$/task/$$/comm; cat /proc/$$/comm", "me\nyou", nil},
		"other's name":    {"echo x > /proc/$OUTSIDE/comm", "Permission denied", []Denial{{"/proc/" + strconv.Itoa(os.Getpid()) + "/comm", ToWrite}}},
		"helper's memory": {"cat /proc/$PPID/mem", "Permission denied", nil},
		"cores":           {"ulimit -c", "0", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out, denials := confined(t, Policy{}, tt.script)
			if !strings.Contains(out, tt.want) {
				t.Errorf("it says %q, want %q", out, tt.want)
			}
			if name != "by a link" && (&Sandbox{}).Support().Watch && !reflect.DeepEqual(denials.List, tt.denied) && len(denials.List)+len(tt.denied) > 0 {
				t.Errorf("denied %v, want %v", denials, tt.denied)
			}
		})
	}
	if out, d := confined(t, Policy{Read: []string{dir}}, "cat "+secret); out != "s3cr3t" || len(d.List) > 0 {
		t.Errorf("with permission it says %q; denied %v", out, d)
	}
}

func TestNetwork(t *testing.T) {
	const script = "cat /proc/net/dev | grep -c : ; python3 -c 'import socket; s=socket.socket(); s.bind((\"127.0.0.1\",0)); s.listen(); c=socket.create_connection(s.getsockname()); print(\"loop\", flush=True); socket.create_connection((\"192.0.2.1\",9),1)' 2>&1 | grep -o 'loop\\|unreachable'"
	out, _ := confined(t, Policy{}, script)
	if s := (&Sandbox{}).Support(); s.Network == ByNamespace && out != "1\nloop\nunreachable\n" {
		t.Errorf("it says %q", out)
	}
	// A machine without namespaces has the filter.
	s := &Sandbox{Probe: func() Support { s := probe(); s.Network = ByFilter; return s }}
	cmd := &exec.Cmd{Path: "/usr/bin/python3", Args: []string{"python3", "-c", "import socket\nsocket.socketpair()\ntry: socket.socket()\nexcept OSError as e: raise SystemExit(e.errno)"}, SysProcAttr: &syscall.SysProcAttr{}}
	running, err := s.Start(cmd, Policy{})
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	running.End()
	if code := cmd.ProcessState.ExitCode(); code != int(syscall.ENETUNREACH) {
		t.Errorf("exit status %d", code)
	}
}

func TestMemory(t *testing.T) {
	const script = "python3 -c 'x = bytearray(300 << 20); print(len(x))' 2>&1 | tail -1; ulimit -d unlimited 2> /dev/null; ulimit -d"
	if out := started(t, ungrouped(), Policy{Memory: 200 << 20}, script); !strings.HasPrefix(out, "MemoryError") || !strings.HasSuffix(out, "\n204800\n") {
		t.Errorf("it says %q", out)
	}
	if out := started(t, ungrouped(), Policy{Memory: 800 << 20}, script); !strings.HasPrefix(out, "314572800\n") {
		t.Errorf("it says %q", out)
	}
}

func TestStartErrors(t *testing.T) {
	s := &Sandbox{}
	for path, want := range map[string]error{"/no/such/program": syscall.ENOENT, "/etc/passwd": syscall.EACCES} {
		_, err := s.Start(&exec.Cmd{Path: path, Args: []string{"x"}, SysProcAttr: &syscall.SysProcAttr{}}, Policy{})
		if pe, ok := err.(*os.PathError); !ok || pe.Err != want {
			t.Errorf("%s: error %v, want %v", path, err, want)
		}
	}
}

func TestMissing(t *testing.T) {
	told := 0
	s := &Sandbox{Probe: func() Support { return Support{Limits: true, Cores: true, Whole: true} }, Missing: func(what []string) { told += len(what) }}
	for range 2 {
		cmd := &exec.Cmd{Path: "/bin/true", Args: []string{"true"}, SysProcAttr: &syscall.SysProcAttr{}}
		if _, err := s.Start(cmd, Policy{}); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
	}
	if told != 2 { // files and network, once
		t.Errorf("told %d", told)
	}
}

func TestPrograms(t *testing.T) {
	home := t.TempDir()
	for _, f := range []string{"bin/mine", ".pyenv/versions/3.11/bin/python3.11", ".pyenv/shims/python", "exp/data.csv", "exp/bin/tool"} {
		p := filepath.Join(home, f)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	venv := filepath.Join(home, "exp/.venv")
	if err := os.MkdirAll(venv+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	_ = os.WriteFile(venv+"/pyvenv.cfg", []byte("home = "+home+"/.pyenv/versions/3.11/bin\nversion = 3.11\n"), 0o644)
	_ = os.Symlink(home+"/.pyenv/versions/3.11/bin/python3.11", venv+"/bin/python")
	s := &Sandbox{Private: []string{home, home + "/exp"}}
	for name, tt := range map[string]struct {
		paths, folders []string
		can, cannot    []string
	}{
		"a virtual environment": {[]string{venv + "/bin/python"}, nil, []string{"exp/.venv/lib/x.py", ".pyenv/versions/3.11/lib/os.py"}, []string{"exp/data.csv", ".ssh/id", ".pyenv/versions/3.12/x"}},
		"shims in PATH":         {nil, []string{home + "/.pyenv/shims"}, []string{".pyenv/versions/3.11/lib/os.py"}, []string{"exp/data.csv", ".bashrc"}},
		"HOME/bin":              {nil, []string{home + "/bin"}, []string{"bin/mine", "lib/x"}, []string{"exp/data.csv", ".bashrc"}},
		"beside the experiment": {[]string{home + "/exp/bin/tool"}, nil, []string{"exp/bin/tool", "exp/lib/x"}, []string{"exp/data.csv"}},
		"HOME itself":           {nil, []string{home}, nil, []string{"exp/data.csv", ".bashrc"}},
		"a system program":      {[]string{"/usr/bin/python3"}, []string{"/usr/bin"}, nil, []string{"exp/data.csv"}},
	} {
		got := s.Programs(tt.paths, tt.folders)
		for _, p := range tt.can {
			if !under(filepath.Join(home, p), got) {
				t.Errorf("%s: %s cannot be read: %v", name, p, got)
			}
		}
		for _, p := range tt.cannot {
			if under(filepath.Join(home, p), got) {
				t.Errorf("%s: %s can be read: %v", name, p, got)
			}
		}
	}
	if s.holdsPrivate("/"); !s.holdsPrivate("/data") {
		t.Error("a folder of the root is opened")
	}
}
