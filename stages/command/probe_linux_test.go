package command

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

func wholeSandbox(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	box := &sandbox.Sandbox{}
	if missing := box.Support().Missing(); len(missing) > 0 || !box.Support().Watch {
		if os.Getenv("NBPIPE_CI") != "" {
			t.Fatalf("missing: %q", missing)
		}
		t.Skipf("this machine has no whole sandbox: %v", box.Support())
	}
	return box
}

// A probe in the sandbox says what it says outside, for programs as people have them.
func TestProbesAreSame(t *testing.T) {
	box := wholeSandbox(t)
	home := t.TempDir()
	venv := filepath.Join(home, "exp", ".venv")
	for _, d := range []string{venv + "/bin", venv + "/lib/mine"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	box.Private = []string{home, home + "/exp"}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	for p, text := range map[string]string{
		venv + "/pyvenv.cfg":       "home = " + filepath.Dir(python) + "\nversion = 3\n",
		venv + "/lib/mine/mine.py": "version = 'mine 7'\n",
	} {
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(python, venv+"/bin/python3"); err != nil {
		t.Fatal(err)
	}
	environ := []string{"PATH=" + venv + "/bin:/usr/local/bin:/usr/bin:/bin", "HOME=" + home}
	ran := 0
	for _, argv := range [][]string{
		{"python3", "--version"}, {venv + "/bin/python3", "-c", "import sys; print(sys.prefix, sys.path)"}, {"sh", "-c", "awk -W version 2>&1 | head -n 1"},
		{"python3", "-c", "import sys; sys.path.append('" + venv + "/lib/mine'); import mine, ssl, ctypes; print(mine.version, ssl.OPENSSL_VERSION)"},
		{"git", "--version"}, {"gcc", "--version"}, {"cc", "-v"}, {"ld", "--version"}, {"perl", "-v"}, {"go", "version"}, {"nvidia-smi", "-L"}, {"nvcc", "--version"}, {"R", "--version"},
		{"julia", "--version"}, {"uname", "-r"}, {"sh", "-c", "nproc; id; date +%Z; pwd; echo $HOME; umask"}, {"sh", "-c", "echo x > $TMPDIR/x; cat $TMPDIR/x"},
	} {
		probe := stages.Probe{Argv: argv}
		if _, err := LookPath(argv[0], environ); err != nil {
			continue
		}
		ran++
		outside, err := Probe(t.Context(), probe, environ, nil)
		if err != nil {
			t.Errorf("%q: %v", argv, err)
			continue
		}
		if inside, err := Probe(t.Context(), probe, environ, box); err != nil || inside != outside {
			t.Errorf("%q says %q, %v; outside %q", argv, inside, err, outside)
		}
	}
	if ran < 7 {
		t.Errorf("%d programs are here", ran)
	}
}

// A probe reads no secrets, writes nothing that stays, has no network and leaves
// nothing behind; what it lacks is said with the attribute to add.
func TestProbesAreConfined(t *testing.T) {
	box := wholeSandbox(t)
	home := t.TempDir()
	key := filepath.Join(home, ".ssh", "id")
	if err := os.MkdirAll(filepath.Dir(key), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, []byte("s3cr3t"), 0o644); err != nil {
		t.Fatal(err)
	}
	box.Private = []string{home}
	environ := []string{"PATH=/usr/bin:/bin", "HOME=" + home}
	for script, want := range map[string][]string{
		"cat " + key:                        {"Permission denied", "the sandbox refused\n  reading " + key + ": allow it by sandbox_read = "},
		"echo x > " + home + "/.bashrc":     {"ermission denied", "writing " + home + "/.bashrc: a probe writes to $TMPDIR only"},
		"rm -rf " + home + "/.ssh && false": {"ermission denied"},
		"python3 -c 'import socket; socket.create_connection((\"192.0.2.1\", 9), 1)'": {"unreachable"},
	} {
		_, err := Probe(t.Context(), stages.Probe{Argv: []string{"sh", "-c", script}}, environ, box)
		wantError(t, err, want...)
	}
	if out, err := Probe(t.Context(), stages.Probe{Argv: []string{"cat", key}, Read: []string{"~/.ssh"}}, environ, box); out != "s3cr3t" || err != nil {
		t.Errorf("with permission: %q, %v", out, err)
	}
	if b, err := os.ReadFile(key); string(b) != "s3cr3t" || err != nil {
		t.Errorf("the secret is %q, %v", b, err)
	}
	before, _ := filepath.Glob(filepath.Join(os.TempDir(), "nbpipe-probe-*"))
	out, err := Probe(t.Context(), stages.Probe{Argv: []string{"sh", "-c", "touch $TMPDIR/x; mkdir -m 0 $TMPDIR/d; setsid sleep 300 > /dev/null 2>&1 & echo $!"}}, environ, box)
	if err != nil {
		t.Fatal(err)
	}
	if after, _ := filepath.Glob(filepath.Join(os.TempDir(), "nbpipe-probe-*")); len(after) > len(before) {
		t.Errorf("folders are left: %v", after)
	}
	if err := exec.Command("kill", "-0", strings.TrimSpace(out)).Run(); err == nil {
		t.Errorf("a process %s is left", out)
	}
	if out, err := Probe(t.Context(), stages.Probe{Argv: []string{"sh", "-c", "ulimit -d"}}, environ, box); err != nil || box.Support().Group == "" && out != strconv.Itoa(probeMemory>>10) {
		t.Errorf("memory: %q, %v", out, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err = Probe(ctx, stages.Probe{Argv: []string{"sh", "-c", "trap '' TERM; sleep 300"}}, environ, box); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("late: %v", err)
	}
	// What a probe is given by a variable it may read, but not all of HOME.
	lib := filepath.Join(home, "lib")
	if err := os.WriteFile(filepath.Join(home, "mine.py"), []byte("v = 1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(lib, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(lib, "yours.py"), []byte("v = 2"), 0o644); err != nil {
		t.Fatal(err)
	}
	environ = append(environ, "PYTHONPATH="+home+":"+lib)
	probe := stages.Probe{Pass: []string{"PYTHONPATH"}}
	probe.Argv = []string{"python3", "-c", "import yours; print(yours.v)"}
	if out, err := Probe(t.Context(), probe, environ, box); out != "2" {
		t.Errorf("PYTHONPATH: %q, %v", out, err)
	}
	probe.Argv = []string{"python3", "-c", "import mine"}
	_, err = Probe(t.Context(), probe, environ, box)
	wantError(t, err, "mine")
}
