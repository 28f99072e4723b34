package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// memory is a store of inputs: files by content, folders as name to content.
type memory struct {
	files   map[cache.Digest]string
	folders map[cache.Digest]map[string]string
}

func newMemory() *memory {
	return &memory{files: map[cache.Digest]string{}, folders: map[cache.Digest]map[string]string{}}
}

func (m *memory) file(content string) cty.Value {
	d := cache.DigestOf([]byte(content))
	m.files[d] = content
	return stages.FileValue(stages.File{Object: cache.Object{Digest: d, Size: int64(len(content))}})
}

func (m *memory) program(content string) cty.Value {
	f, _ := stages.AsFile(m.file(content))
	f.Exec = true
	return stages.FileValue(f)
}

func (m *memory) folder(files map[string]string) cty.Value {
	d := cache.DigestOf([]byte(fmt.Sprint(files)))
	m.folders[d] = files
	return stages.FileValue(stages.File{Object: cache.Object{Digest: d, Tree: true}})
}

func (m *memory) ReadAll(_ context.Context, f stages.File) ([]byte, error) {
	return []byte(m.files[f.Digest]), nil
}

func (m *memory) Open(_ context.Context, f stages.File) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(m.files[f.Digest])), nil
}

func (m *memory) Materialise(_ context.Context, f stages.File, dest string) error {
	mode := fs.FileMode(0o644)
	if f.Exec {
		mode = 0o755
	}
	if !f.Tree {
		return os.WriteFile(dest, []byte(m.files[f.Digest]), mode)
	}
	if err := os.Mkdir(dest, 0o755); err != nil {
		return err
	}
	for name, content := range m.folders[f.Digest] {
		p := filepath.Join(dest, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

type silent struct{}

func (silent) Report(int64, int64, string) {}

type result struct {
	out     *stages.Output
	log     string
	err     error
	scratch string
}

// content reads an output, or a file in a folder output.
func (r result) content(t testing.TB, name string, sub ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{r.out.Files[name].Path}, sub...)...))
	if err != nil {
		t.Errorf("output %s: %v", name, err)
	}
	return string(b)
}

func run(t testing.TB, s *Stage, store *memory) result {
	t.Helper()
	return runIn(t, context.Background(), s, store, []string{"PATH=" + defaultPath, "PASSED=yes", "OTHER=no"})
}

func runIn(t testing.TB, ctx context.Context, s *Stage, store *memory, environ []string) result {
	t.Helper()
	if s.Seed == 0 {
		s.Seed = 777
	}
	var log bytes.Buffer
	in := &stages.Input{Scratch: t.TempDir(), CPUs: 2, Log: &log, Progress: silent{}, Store: store, Services: stages.Services{Environment: environ}}
	out := stages.NewOutput()
	err := s.Run(ctx, in, out)
	return result{out: out, log: log.String(), err: err, scratch: in.Scratch}
}

func script(text string, outputs map[string]string) *Stage {
	return &Stage{Script: text, Outputs: outputs}
}

var oneOutput = map[string]string{"text": "out.txt"}

func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("error %v\nwant one with %q", err, p)
		}
	}
}

func wantWarning(t testing.TB, r result, part string) {
	t.Helper()
	if !slices.ContainsFunc(r.out.Warnings, func(w string) bool { return strings.Contains(w, part) }) {
		t.Errorf("warnings %q, want one with %q", r.out.Warnings, part)
	}
}

func TestRun(t *testing.T) {
	r := run(t, &Stage{Argv: []string{"sh", "-c", "echo 1-2 > out.txt; echo said; echo loudly >&2"}, Outputs: oneOutput}, nil)
	if r.err != nil || r.content(t, "text") != "1-2\n" || r.log != "said\nloudly\n" || len(r.out.Warnings) > 0 {
		t.Errorf("error %v, log %q, warnings %q", r.err, r.log, r.out.Warnings)
	}
	if f := r.out.Files["text"]; f.Name != "out.txt" || !strings.HasPrefix(f.Path, r.scratch) {
		t.Errorf("output %+v", f)
	}
	r = run(t, script("mkdir plots/sub\necho x > plots/sub/a\necho y > deep/er/b.txt\nprintf '#!/bin/sh\\n' > tool; chmod +x tool", map[string]string{"plots": "plots/", "b": "deep/er/b.txt", "tool": "tool"}), nil)
	if r.err != nil || r.content(t, "plots", "sub", "a") != "x\n" || r.content(t, "b") != "y\n" {
		t.Errorf("error %v", r.err)
	}
	if info, err := os.Stat(r.out.Files["tool"].Path); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("the executable bit is lost: %v", err)
	}
}

func TestInputs(t *testing.T) {
	m := newMemory()
	inputs := cty.ObjectVal(map[string]cty.Value{
		"one":  m.file("1"),
		"src":  m.folder(map[string]string{"a.py": "A", "lib/b.py": "B"}),
		"list": cty.TupleVal([]cty.Value{m.file("zero"), m.file("one")}),
		"map":  cty.MapVal(map[string]cty.Value{"k-1": m.file("K"), "l": m.file("L")}),
		"none": cty.NullVal(stages.FileType),
		"prog": m.program("#!/bin/sh\necho ran \"$0\"\n"),
	})
	s := script("cat in/one in/src/a.py in/src/lib/b.py in/list/0 in/list/1 in/map/k-1 in/map/l > out.txt\nin/prog >> out.txt\nls in >> out.txt", oneOutput)
	s.Inputs = inputs
	r := run(t, s, m)
	if want := "1ABzerooneKLran in/prog\nlist\nmap\none\nprog\nsrc\n"; r.err != nil || r.content(t, "text") != want {
		t.Errorf("error %v, read %q, want %q", r.err, r.content(t, "text"), want)
	}
	s = &Stage{Argv: []string{"in/prog"}, Inputs: inputs, Outputs: oneOutput}
	wantError(t, run(t, s, m).err, `did not make its output "text" (out.txt)`)
	s.Inputs = cty.ObjectVal(map[string]cty.Value{"m": cty.MapVal(map[string]cty.Value{"../x": m.file("")})})
	wantError(t, run(t, s, m).err, "has a slash")
}

// TestI6_ChangedInputFailsTheStage: also for root, whom modes do not stop.
func TestI6_ChangedInputFailsTheStage(t *testing.T) {
	for name, do := range map[string]string{
		"write":  "chmod u+w in/d in/d/f; echo changed > in/d/f",
		"append": "chmod u+w in/d/f; echo more >> in/d/f",
		"mode":   "chmod +x in/d/f",
		"remove": "chmod u+w in/d; rm in/d/f",
		"link":   "chmod u+w in/d; rm in/d/f; ln -s /etc/hostname in/d/f",
		"all":    "chmod -R u+w in; rm -r in",
	} {
		m := newMemory()
		s := script(do+"\necho x > out.txt", oneOutput)
		s.Inputs = cty.ObjectVal(map[string]cty.Value{"d": m.folder(map[string]string{"f": "F"})})
		r := run(t, s, m)
		wantError(t, r.err, "changed its input in", "cp -r")
		if t.Failed() {
			t.Fatalf("%s: %v", name, r.err)
		}
	}
	m := newMemory()
	s := script("chmod u+w in; echo x > in/new; echo x > out.txt", oneOutput)
	s.Inputs = cty.ObjectVal(map[string]cty.Value{"f": m.file("F")})
	r := run(t, s, m)
	if r.err != nil {
		t.Error(r.err)
	}
	wantWarning(t, r, `"in/new"`)
}

// TestI9_OnlyCompleteSuccess: exit 0 with all declared outputs, and nothing else.
func TestI9_OnlyCompleteSuccess(t *testing.T) {
	two := map[string]string{"text": "out.txt", "other": "sub/out.csv"}
	tests := map[string]struct {
		stage *Stage
		want  []string
	}{
		"exit status":    {script("echo x > out.txt; echo why >&2; exit 3", oneOutput), []string{"the script failed with exit status 3"}},
		"argv":           {&Stage{Argv: []string{"sh", "-c", "exit 4"}, Outputs: oneOutput}, []string{`sh -c "exit 4" failed with exit status 4`}},
		"signal":         {script("kill -KILL $$", oneOutput), []string{"signal 9 (killed)", "ran out of memory"}},
		"unset variable": {script("echo $NOTHING > out.txt", oneOutput), []string{"exit status"}},
		"missing":        {script("echo x > out.txt; echo y > out.csv", two), []string{`its output "other" (sub/out.csv)`, `Did you mean other = "out.csv"?`}},
		"misspelt":       {script("echo x > ouput.txt", map[string]string{"text": "output.txt"}), []string{`Did you mean text = "ouput.txt"?`}},
		"nothing":        {script("true", oneOutput), []string{"it left no other files"}},
		"empty folder":   {script("true", map[string]string{"plots": "plots/"}), []string{`its output "plots" (plots/)`}},
		"file as folder": {script("rmdir d; echo x > d", map[string]string{"d": "d/"}), []string{"trailing slash"}},
		"fifo":           {script("mkfifo out.txt", oneOutput), []string{"neither file nor folder"}},
		"strict":         {&Stage{Script: "echo x > out.txt; echo y > more.txt", Outputs: oneOutput, StrictOutputs: true}, []string{`1 file that no output declares: "more.txt"`, "strict_outputs"}},
		"timeout":        {&Stage{Script: "echo x > out.txt; echo begun; sleep 30", Outputs: oneOutput, Timeout: "300ms"}, []string{"stopped after its timeout of 300ms"}},
		"late success":   {&Stage{Script: "echo x > out.txt; trap 'exit 0' TERM; while :; do sleep 0.05; done", Outputs: oneOutput, Timeout: "300ms"}, []string{"stopped after its timeout"}},
		"deaf":           {&Stage{Script: "echo x > out.txt; trap '' TERM; while :; do sleep 0.05; done", Outputs: oneOutput, Timeout: "300ms", grace: 100 * time.Millisecond}, []string{"stopped after its timeout"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			started := time.Now()
			r := run(t, tt.stage, nil)
			wantError(t, r.err, tt.want...)
			if printed := map[string]string{"exit status": "why\n", "timeout": "begun\n"}[name]; !strings.HasSuffix(r.log, printed) {
				t.Errorf("the log is %q, want one that ends in %q", r.log, printed)
			}
			if d := time.Since(started); d > 8*time.Second {
				t.Errorf("it took %s", d)
			}
		})
	}
}

func TestUndeclaredFiles(t *testing.T) {
	r := run(t, script("echo x > out.txt; mkdir -p a/b empty; touch a/b/c; for i in 1 2 3 4 5 6 7 8 9; do touch f$i; done", oneOutput), nil)
	if r.err != nil {
		t.Fatal(r.err)
	}
	wantWarning(t, r, `10 files that no output declares: "a/b/c", "f1"`)
	wantWarning(t, r, "and 2 more; they are dropped")
}

// TestI19_LinksInOutputs: nothing outside the working folder becomes a result.
func TestI19_LinksInOutputs(t *testing.T) {
	for name, tt := range map[string]struct{ do, out, want string }{
		"file out":     {"ln -s /etc/passwd o", "o", "link out of the working folder"},
		"up":           {"ln -s ../script o", "o", "link out of the working folder"},
		"folder out":   {"ln -s /etc o", "o/passwd", "link out of the working folder"},
		"within":       {"mkdir o; ln -s /etc/passwd o/p", "o", "o/p is a symbolic link out of the working folder"},
		"to folder":    {"mkdir d; touch d/x; rmdir o; mkdir o; ln -s ../d o/d", "o/", "link to a folder"},
		"itself":       {"ln -s . o", "o", "link out of the working folder"},
		"dangling":     {"ln -s gone o", "o", "not there"},
		"loop":         {"ln -s o o", "o", "cannot be followed"},
		"socket-alike": {"mkdir o; mkfifo o/p", "o", "o/p is neither file nor folder"},
	} {
		do := tt.do
		if tt.out == "o/passwd" {
			do = "rmdir o; " + do
		}
		r := run(t, script(do, map[string]string{"x": tt.out}), nil)
		if r.err == nil || !strings.Contains(r.err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", name, r.err, tt.want)
		}
	}
	r := run(t, script("echo x > e3.pt; ln -s $PWD/e3.pt last.pt; mkdir d; ln -s ../e3.pt d/l", map[string]string{"last": "last.pt", "d": "d", "e": "e3.pt"}), nil)
	if r.err != nil || r.content(t, "last") != "x\n" {
		t.Fatalf("links inside: error %v", r.err)
	}
	for _, p := range []string{r.out.Files["last"].Path, filepath.Join(r.out.Files["d"].Path, "l")} {
		if info, err := os.Lstat(p); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s is no plain file: %v", p, err)
		}
	}
}

// TestI8_ScratchPathInOutput is warned about.
func TestI8_ScratchPathInOutput(t *testing.T) {
	r := run(t, script("pwd > out.txt", oneOutput), nil)
	if r.err != nil {
		t.Fatal(r.err)
	}
	wantWarning(t, r, "holds the path of its scratch folder")
	for _, w := range r.out.Warnings {
		if strings.Contains(w, r.scratch) {
			t.Errorf("a warning holds an absolute path: %s", w)
		}
	}
}

// TestI21_EnvironmentIsAnAllowList: cleared, but for what is documented and declared.
func TestI21_EnvironmentIsAnAllowList(t *testing.T) {
	s := script("env > out.txt", oneOutput)
	s.Environment = map[string]string{"MODE": "fast", "TZ": "CET"}
	s.PassEnvironment = []string{"PASSED", "ABSENT"}
	s.Seed = 5
	r := run(t, s, nil)
	got := map[string]string{}
	for line := range strings.Lines(r.content(t, "text")) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		got[k] = v
	}
	delete(got, "PWD")    // the shell's own
	delete(got, "_")      // the shell's own
	delete(got, "SHLVL")  // the shell's own
	delete(got, "OLDPWD") // the shell's own
	want := map[string]string{
		"PATH": defaultPath, "HOME": filepath.Join(r.scratch, "home"), "TMPDIR": filepath.Join(r.scratch, "home"), "LANG": "C.UTF-8", "TZ": "CET",
		"NBPIPE_SEED": "5", "OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "SOURCE_DATE_EPOCH": "315532800",
		"MODE": "fast", "PASSED": "yes",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("environment\n%v, want\n%v", got, want)
	}
}

// TestI21_SecretsAreMasked: in the log, in errors, and never in an output.
func TestI21_SecretsAreMasked(t *testing.T) {
	secrets := map[string]string{"TOKEN": "hunter2hunter2", "SHORT": "hunter2", "KEY": "-----BEGIN-----\nabcdefghij\n"}
	s := script("printf 'a '; printf hunter2; sleep 0.1; printf hunter2; echo; echo \"$KEY\" | sed -n 2p; echo $SHORT.; echo x > out.txt; echo $TOKEN >&2; exit 1", oneOutput)
	s.Secrets = secrets
	r := run(t, s, nil)
	if want := "a ***\n***\n***.\n***\n"; r.log != want {
		t.Errorf("log %q, want %q", r.log, want)
	}
	if strings.Contains(r.err.Error(), "hunter2") {
		t.Errorf("a secret in an error: %v", r.err)
	}
	s = script("echo \"it is $TOKEN\" > out.txt", oneOutput)
	s.Secrets = secrets
	wantError(t, run(t, s, nil).err, "out.txt holds the value of the secret TOKEN")
	for _, a := range []string{"secrets", "strict_outputs", "timeout", "tools"} {
		if attr, _ := Kind.Attribute(a); attr.Key {
			t.Errorf("%s is part of the key", a)
		}
	}
}

func TestSecretAcrossReads(t *testing.T) {
	secret := "correct horse battery"
	text := "x" + secret + "y" + secret[:10] + secret + "correct"
	want := "x***y" + secret[:10] + "***correct"
	for n := 1; n < len(text); n++ {
		var b bytes.Buffer
		m := newMasker(&b, map[string]string{"S": secret})
		for part := range slices.Chunk([]byte(text), n) {
			_, _ = m.Write(part)
		}
		m.close()
		if b.String() != want {
			t.Errorf("in pieces of %d: %q, want %q", n, b.String(), want)
		}
	}
	long := strings.Repeat("-", 3<<20)
	hits, err := contains(strings.NewReader(long[:1<<20]+secret+long), int64(len(long)), []string{secret, "no"})
	if err != nil || !hits[0] || hits[1] {
		t.Errorf("contains = %v, %v", hits, err)
	}
}

// All of a log is passed on as it comes; an error shows its last lines.
func TestLogIsPassedOn(t *testing.T) {
	r := run(t, script("echo first; i=0; while [ $i -lt 300 ]; do head -c 20000 /dev/zero | tr '\\0' x; i=$((i+1)); done; echo; echo last; exit 1", oneOutput), nil)
	if want := len("first\n") + 300*20000 + len("\nlast\n"); len(r.log) != want || !strings.HasPrefix(r.log, "first\n") || !strings.HasSuffix(r.log, "\nlast\n") {
		t.Errorf("a log of %d bytes, want %d: %.20q ... %.20q", len(r.log), want, r.log, r.log[max(len(r.log)-20, 0):])
	}
	wantError(t, r.err, "exit status 1")
}

func TestStandardInputIsEmptyAndDescriptorsClosed(t *testing.T) {
	inherited, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0) // not closed on exec
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(inherited) }()
	r := run(t, script("cat > out.txt; [ ! -t 0 ]; ls /proc/self/fd >> out.txt || true", oneOutput), nil)
	if r.err != nil {
		t.Fatal(r.err)
	}
	if n := len(strings.Fields(r.content(t, "text"))); n > 5 { // 0, 1, 2, the shell's script and ls's folder
		t.Errorf("%d descriptors are open: %q", n, r.content(t, "text"))
	}
}

func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func pids(t *testing.T, log string) []int {
	t.Helper()
	var out []int
	for _, f := range strings.Fields(log) {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatalf("log %q", log)
		}
		out = append(out, n)
	}
	return out
}

func wantGone(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		for range 100 {
			if !alive(pid) {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if alive(pid) {
			t.Errorf("process %d is still there", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// The whole group is ended on cancel, grandchildren included.
func TestCancelEndsTheGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := script("sh -c 'sleep 60 & echo $!; wait' &\necho $!\nwait", oneOutput)
	time.AfterFunc(500*time.Millisecond, cancel)
	r := runIn(t, ctx, s, nil, nil)
	if !errors.Is(r.err, context.Canceled) {
		t.Errorf("error %v, want Canceled", r.err)
	}
	all := pids(t, r.log)
	if len(all) != 2 {
		t.Fatalf("log %q", r.log)
	}
	wantGone(t, all)
	if left, _ := os.ReadDir(filepath.Join(r.scratch, "work")); len(left) > 0 {
		t.Error("the working folder was left behind")
	}
}

func TestSurvivorsAreEnded(t *testing.T) {
	started := time.Now()
	r := run(t, script("sleep 60 & echo $!; echo x > out.txt", oneOutput), nil)
	if r.err != nil || time.Since(started) > 5*time.Second {
		t.Errorf("error %v after %s", r.err, time.Since(started))
	}
	wantWarning(t, r, "left processes behind")
	wantGone(t, pids(t, r.log))
}

func TestAnotherSessionDoesNotHangTheRun(t *testing.T) {
	if _, ok := findIn(searchPath(nil), "setsid"); !ok {
		t.Skip("no setsid")
	}
	r := run(t, script("setsid sleep 20 & echo x > out.txt; sleep 0.2", oneOutput), nil)
	if r.err != nil {
		t.Fatal(r.err)
	}
	wantWarning(t, r, "in another session")
}

func TestProgramsThatDoNotStart(t *testing.T) {
	m := newMemory()
	inputs := cty.ObjectVal(map[string]cty.Value{
		"train":  m.file("#!/bin/sh\n"),
		"crlf":   m.program("#!/bin/sh\r\necho\r\n"),
		"interp": m.program("#!/no/such/python\n"),
		"bare":   m.program("echo no first line\n"),
	})
	for argv0, want := range map[string][]string{
		"no-such-program": {`no program "no-such-program" in PATH (` + defaultPath + ")"},
		"train":           {`did you mean the input "in/train"?`},
		"in/train":        {"not executable", `argv = ["python3", "in/train"]`},
		"in/crlf":         {"carriage return", "dos2unix"},
		"in/interp":       {`"#!/no/such/python"`, "not on this machine"},
		"in/bare":         {"begins with #!"},
		"in/nothing":      {"is it one of the inputs?"},
		"./train.py":      {"inputs = { name = path(\"train.py\") }"},
		"in":              {`no program "in"`},
		"./in":            {"is a folder"},
	} {
		wantError(t, run(t, &Stage{Argv: []string{argv0}, Inputs: inputs, Outputs: oneOutput}, m).err, want...)
	}
	long := strings.Repeat("x", 3<<20)
	wantError(t, run(t, &Stage{Argv: []string{"echo", long}, Outputs: oneOutput}, m).err, "too long for the system")
	wantError(t, run(t, &Stage{Argv: []string{"sh", "train.py"}, Outputs: oneOutput}, m).err, "name it in inputs")
	wantError(t, run(t, script("nothing-of-this-name", oneOutput), m).err, "not in PATH")
}

// A scratch folder can be removed whatever the program did to its modes.
func TestTidy(t *testing.T) {
	m := newMemory()
	s := script("mkdir -p $HOME/go/mod; touch $HOME/go/mod/x; chmod -R a-w $HOME/go; mkdir d; touch d/x; chmod a-w d; exit 1", oneOutput)
	s.Inputs = cty.ObjectVal(map[string]cty.Value{"d": m.folder(map[string]string{"f": "F"})})
	r := run(t, s, m)
	if err := os.RemoveAll(r.scratch); err != nil {
		t.Error(err)
	}
}

func TestProbe(t *testing.T) {
	environ := []string{"PATH=" + defaultPath, "SECRET=hunter2"}
	got, err := Probe(context.Background(), stages.Probe{Argv: []string{"sh", "-c", "echo v1 $SECRET; echo noise >&2"}}, environ, nil)
	if err != nil || got != "v1" {
		t.Errorf("Probe = %q, %v", got, err)
	}
	_, err = Probe(context.Background(), stages.Probe{Argv: []string{"sh", "-c", "echo sorry >&2; exit 2"}}, environ, nil)
	wantError(t, err, "exit status 2", "| sorry")
	_, err = Probe(context.Background(), stages.Probe{Argv: []string{"sh", "-c", "head -c 100000 /dev/zero"}}, environ, nil)
	wantError(t, err, "should print a version")
	_, err = Probe(context.Background(), stages.Probe{Argv: []string{"no-such-tool"}}, environ, nil)
	wantError(t, err, "in PATH")
	got, err = Probe(context.Background(), stages.Probe{Argv: []string{"sh", "-c", "echo $SECRET $OTHER"}, Pass: []string{"SECRET", "OTHER"}}, environ, nil)
	if err != nil || got != "hunter2" {
		t.Errorf("with a variable passed on, Probe = %q, %v", got, err)
	}
	_, err = LookPath("in/tool", environ)
	wantError(t, err, "absolute path")
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err = Probe(ctx, stages.Probe{Argv: []string{"sleep", "30"}}, environ, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestOutputTypes(t *testing.T) {
	got := Kind.Zero().OutputTypes(stages.Attrs{"outputs": cty.MapVal(map[string]cty.Value{"a": cty.StringVal("x"), "b": cty.UnknownVal(cty.String)})})
	if len(got) != 2 || !got["a"].Equals(stages.FileType) || !got["b"].Equals(stages.FileType) {
		t.Errorf("types %v", got)
	}
	if got := Kind.Zero().OutputTypes(stages.Attrs{"outputs": cty.UnknownVal(cty.Map(cty.String))}); len(got) != 0 {
		t.Errorf("types of unknown outputs: %v", got)
	}
}

// BenchmarkTrivial compares a trivial command with its bare fork and exec.
func BenchmarkTrivial(b *testing.B) {
	argv := []string{"sh", "-c", "echo 1-2 > out.txt"}
	b.Run("stage", func(b *testing.B) {
		in := &stages.Input{CPUs: 1, Progress: silent{}, Services: stages.Services{Environment: os.Environ()}}
		base := b.TempDir()
		for i := range b.N {
			in.Scratch = filepath.Join(base, strconv.Itoa(i))
			_ = os.Mkdir(in.Scratch, 0o755)
			s := &Stage{Argv: argv, Outputs: oneOutput, Seed: 777}
			if err := s.Run(context.Background(), in, stages.NewOutput()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		base := b.TempDir()
		for i := range b.N {
			dir := filepath.Join(base, strconv.Itoa(i))
			_ = os.Mkdir(dir, 0o755)
			p, err := os.StartProcess("/bin/sh", argv, &os.ProcAttr{Dir: dir, Env: []string{"PATH=" + defaultPath}, Files: []*os.File{nil, nil, nil}})
			if err != nil {
				b.Fatal(err)
			}
			_, _ = p.Wait()
		}
	})
}

// What a command started lives on when nbpipe itself is killed; the next run
// finds it by the note in the scratch folder.
func TestKillLeftOver(t *testing.T) {
	scratch := t.TempDir()
	leader := exec.Command("sh", "-c", "sleep 1000 & echo $!; exec sleep 1000")
	leader.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := leader.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 32)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{pid: leader.Process.Pid, note: filepath.Join(scratch, processNote)}
	p.remember()
	_ = leader.Process.Kill() // as the kernel does when nbpipe dies
	_ = leader.Wait()
	if !alive(child) {
		t.Fatal("the child ended too early for this test")
	}
	KillLeftOver(scratch)
	for range 100 {
		if !alive(child) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the child of a dead run lives on")
}

func TestI21_SecretsInFileNames(t *testing.T) {
	const secret = "supersecretvalue1"
	s := script("touch left-$TOKEN; echo x > out.txt", oneOutput)
	s.Secrets = map[string]string{"TOKEN": secret}
	r := run(t, s, nil)
	if r.err != nil {
		t.Fatal(r.err)
	}
	wantWarning(t, r, "left-***")
	s = script("touch f/x-$TOKEN", map[string]string{"f": "f/"})
	s.Secrets = map[string]string{"TOKEN": secret}
	r = run(t, s, nil)
	wantError(t, r.err, "the secret TOKEN")
	if text := fmt.Sprint(r.err, r.out.Warnings); strings.Contains(text, secret) {
		t.Errorf("told: %s", text)
	}
}

func TestOwnGPUs(t *testing.T) {
	for name, c := range map[string]struct {
		gpus []string
		set  map[string]string
		want string
	}{
		"given":   {[]string{"2", "0"}, nil, "2,0 PCI_BUS_ID\n"},
		"none":    {nil, nil, " \n"},
		"own say": {[]string{"1"}, map[string]string{"CUDA_VISIBLE_DEVICES": "7"}, "7 PCI_BUS_ID\n"},
	} {
		s := script(`echo "${CUDA_VISIBLE_DEVICES-} ${CUDA_DEVICE_ORDER-}" > out.txt`, oneOutput)
		s.Environment = c.set
		in := &stages.Input{Scratch: t.TempDir(), CPUs: 1, GPUs: c.gpus, Log: io.Discard, Progress: silent{}, Store: newMemory(), Services: stages.Services{Environment: []string{"PATH=" + defaultPath}}}
		out := stages.NewOutput()
		if err := s.Run(t.Context(), in, out); err != nil {
			t.Fatal(err)
		}
		if got := (result{out: out}).content(t, "text"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A program that was ended by the limit of its cgroup says so, whatever its status.
func TestOutOfMemory(t *testing.T) {
	r := &runner{s: &Stage{}, in: &stages.Input{Limits: stages.Resources{Memory: 200 << 20}}, end: sandbox.End{OutOfMemory: true}}
	cmd := exec.Command("sh", "-c", "kill -KILL $$")
	_ = cmd.Run()
	wantError(t, r.outcome(t.Context(), []string{"python3", "train.py"}, cmd.ProcessState), "python3 train.py ran out of memory", "more than the 200 MiB of resources { memory }")
}
