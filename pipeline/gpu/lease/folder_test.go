package lease

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/gpu"
)

// gpus are devices as nvidia-smi lists them.
func gpus(n int) []gpu.Device {
	var out []gpu.Device
	for i := range n {
		out = append(out, gpu.Device{ID: fmt.Sprint(i), UUID: fmt.Sprintf("GPU-%d", i)})
	}
	return out
}

// clock is a time that a test sets.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

// process stands for one: locks of two Folders are apart as those of two processes.
func process(dir string, c *clock) *Folder { return New(dir, "", c.now) }

func take(t *testing.T, f *Folder, n int, among []gpu.Device) []Lease {
	t.Helper()
	got, err := f.Take(n, among)
	if err != nil || len(got) != n {
		t.Fatalf("%v, %v; want %d GPUs", got, err, n)
	}
	return got
}

func busy(t *testing.T, f *Folder, n int, among []gpu.Device) *Busy {
	t.Helper()
	got, err := f.Take(n, among)
	var b *Busy
	if !errors.As(err, &b) || got != nil {
		t.Fatalf("%v, %v; want *Busy", got, err)
	}
	return b
}

func ids(all []Lease) string { return strings.Join(gpu.IDs(Devices(all)), " ") }

func TestTake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gpus")
	all := gpus(3)
	a, b := process(dir, &clock{}), process(dir, &clock{})
	if got, err := a.Take(0, all); got != nil || err != nil {
		t.Errorf("%v, %v for none", got, err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("a folder is made for nothing")
	}
	first := take(t, a, 1, []gpu.Device{all[1], all[0]})
	if ids(first) != "1" {
		t.Errorf("%s, not the first that is free", ids(first))
	}
	if x := busy(t, b, 3, all); !slices.Equal(x.PIDs, []int{os.Getpid()}) {
		t.Errorf("held by %v", x.PIDs)
	}
	two := take(t, b, 2, all) // after what lacked one, nothing is held
	if ids(two) != "0 2" {
		t.Errorf("%s", ids(two))
	}
	busy(t, a, 1, all)
	first[0].Release()
	for _, l := range two {
		l.Release()
	}
	if got := take(t, process(dir, &clock{}), 3, all); ids(got) != "0 1 2" {
		t.Errorf("%s", ids(got))
	}
}

// GPUs are told apart by all that is known of them.
func TestIdentity(t *testing.T) {
	for name, c := range map[string]struct {
		a, b gpu.Device
		free bool
	}{
		"the same":                       {gpu.Device{ID: "0", UUID: "GPU-a"}, gpu.Device{ID: "0", UUID: "GPU-a"}, false},
		"one knows the number only":      {gpu.Device{ID: "0", UUID: "GPU-a"}, gpu.Device{ID: "0"}, false},
		"neither knows more":             {gpu.Device{ID: "0"}, gpu.Device{ID: "0"}, false},
		"another one":                    {gpu.Device{ID: "0", UUID: "GPU-a"}, gpu.Device{ID: "1", UUID: "GPU-b"}, true},
		"numbers of containers":          {gpu.Device{ID: "0", UUID: "GPU-a"}, gpu.Device{ID: "0", UUID: "GPU-b"}, true},
		"the same, in another container": {gpu.Device{ID: "0", UUID: "GPU-a"}, gpu.Device{ID: "1", UUID: "GPU-a"}, false},
		"named by UUID":                  {gpu.Device{ID: "GPU-a"}, gpu.Device{ID: "0", UUID: "GPU-a"}, false},
		"part of one":                    {gpu.Device{ID: "MIG-a"}, gpu.Device{ID: "MIG-a"}, false},
		"parts of one":                   {gpu.Device{ID: "MIG-a"}, gpu.Device{ID: "MIG-b"}, true},
		"an odd name":                    {gpu.Device{ID: "MIG-GPU-a/1/0"}, gpu.Device{ID: "MIG-GPU-a/1/0"}, false},
		"odd names":                      {gpu.Device{ID: "MIG-GPU-a/1/0"}, gpu.Device{ID: "MIG-GPU-a/2/0"}, true},
		"a name that leads out":          {gpu.Device{ID: "../../x"}, gpu.Device{ID: "../../y"}, true},
		"names of any length":            {gpu.Device{ID: strings.Repeat("x", 5000)}, gpu.Device{ID: strings.Repeat("x", 5001)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, "a", "b")
			for _, order := range [][2]gpu.Device{{c.a, c.b}, {c.b, c.a}} {
				held := take(t, process(dir, &clock{}), 1, order[:1])
				other := process(dir, &clock{})
				if c.free {
					take(t, other, 1, order[1:])[0].Release()
				} else {
					busy(t, other, 1, order[1:])
				}
				held[0].Release()
			}
			if found, _ := filepath.Glob(filepath.Join(root, "*")); len(found) != 1 {
				t.Errorf("made outside of the folder: %v", found)
			}
		})
	}
}

// One that gives a GPU back leaves it to another that waits for it, for a while.
func TestTurns(t *testing.T) {
	dir, c := filepath.Join(t.TempDir(), "gpus"), &clock{time.Unix(1e9, 0)}
	a, b, one := process(dir, c), process(dir, c), gpus(1)
	take(t, a, 1, one)[0].Release()
	held := take(t, a, 1, one) // nobody waits: at once
	busy(t, b, 1, one)
	held[0].Release()
	if x := busy(t, a, 1, one); !x.Next || !strings.Contains(x.Error(), "go first") {
		t.Error(x)
	}
	held = take(t, b, 1, one)
	busy(t, a, 1, one)
	held[0].Release()
	busy(t, b, 1, one)
	c.Time = c.Add(rest)
	held = take(t, b, 1, one) // who waits does not come
	held[0].Release()
	if err := a.dir.Close(); err != nil { // as when it ends: the kernel lets go of all
		t.Fatal(err)
	}
	for _, w := range a.wanted {
		w.Close()
	}
	c.Time = c.Add(rest)
	take(t, b, 1, one)[0].Release()
	take(t, b, 1, one)
}

// What is tidied away while nothing is held is made again, and what was removed under
// a holder is a lock no more, but never an error.
func TestTidiedUp(t *testing.T) {
	dir, all := filepath.Join(t.TempDir(), "gpus"), gpus(2)
	f := process(dir, &clock{})
	take(t, f, 2, all)[0].Release()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	take(t, f, 1, all)
	busy(t, process(dir, &clock{}), 1, all[:1])
}

func TestBadFolder(t *testing.T) {
	one := gpus(1)
	for name, c := range map[string]struct {
		make func(dir string) error
		want string
	}{
		"a link": {func(dir string) error {
			return errors.Join(os.Mkdir(dir+"-real", 0o700), os.Symlink(dir+"-real", dir))
		}, "no folder of its own"},
		"a file":         {func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, "no folder of its own"},
		"open to others": {func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o750)) }, "others than you can use it (mode 0750)"},
		"a link in it": {func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Symlink("/etc/passwd", filepath.Join(dir, "GPU-0")))
		}, "GPU-0"},
		"a folder in it": {func(dir string) error { return os.MkdirAll(filepath.Join(dir, "GPU-0"), 0o700) }, "GPU-0"},
		"another's": {func(dir string) error {
			if os.Geteuid() != 0 {
				return errors.ErrUnsupported
			}
			return errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, 12345, -1))
		}, "another user (number 12345)"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "gpus")
			if err := c.make(dir); errors.Is(err, errors.ErrUnsupported) {
				t.Skip("only root can give files away")
			} else if err != nil {
				t.Fatal(err)
			}
			got, err := process(dir, &clock{}).Take(1, one)
			if err == nil || got != nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "gpu_leases") {
				t.Errorf("%v, %v; want %s", got, err, c.want)
			}
			if errors.As(err, new(*Busy)) {
				t.Error("it would be waited for")
			}
		})
	}
}

// Whatever stands in a file, it is a lock that counts.
func TestHostileRecords(t *testing.T) {
	for name, text := range map[string]string{
		"no record": "hello\n", "empty": "", "large": strings.Repeat("x", 1<<20), "of another kind": `[1]`, "wrong types": `{"pid":"7"}`,
		"a folder that is not there": `{"pid":1,"scratch":"/nowhere"}`, "no folder": `{"pid":-1,"scratch":"/dev/null"}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "gpus")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "GPU-0"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			f, one := process(dir, &clock{}), gpus(1)
			switch got, err := f.Take(1, one); {
			case err == nil:
				got[0].Release()
			case !errors.As(err, new(*Busy)):
				t.Fatal(err)
			}
			if take(t, f, 1, one); busy(t, process(dir, &clock{}), 1, one).PIDs[0] != os.Getpid() {
				t.Error("it names another process")
			}
		})
	}
}

func TestBusySays(t *testing.T) {
	b := &Busy{}
	for _, want := range []string{"another nbpipe of yours uses", "(process 7)", "(processes 7, 9)", "(processes 3, 7, 9)", "(processes 3, 7, 9)"} {
		if text := b.Error(); !strings.Contains(text, want) {
			t.Errorf("%s; want %s", text, want)
		}
		b.add([]int{7, 9, 3, 9}[min(len(b.PIDs), 3)])
	}
	b.add(0)
	if len(b.PIDs) != 3 {
		t.Error(b.PIDs)
	}
}

func TestAwait(t *testing.T) {
	var notes []string
	note := func(s string) { notes = append(notes, s) }
	tries := []error{&Busy{PIDs: []int{7}}, &Busy{PIDs: []int{7}}, nil}
	began := time.Now()
	err := Await(t.Context(), note, func() error {
		defer func() { tries = tries[1:] }()
		return tries[0]
	})
	if err != nil || len(notes) != 1 || time.Since(began) < 1500*time.Millisecond {
		t.Errorf("%v, told %q, after %s", err, notes, time.Since(began))
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(syscall.EINTR)
	if err := Await(ctx, note, func() error { return &Busy{} }); !errors.Is(err, syscall.EINTR) {
		t.Error(err)
	}
	if err := Await(ctx, note, func() error { return syscall.EIO }); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
}

func TestPause(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		p := Pause()
		seen[p] = true
		if p < 500*time.Millisecond || p > 1500*time.Millisecond || p >= rest/2 {
			t.Errorf("%s", p)
		}
	}
	if len(seen) < 10 {
		t.Error("all look at the same time")
	}
}
