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
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/agext/levenshtein"

	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// drain is how long the output of a program that has ended is waited for: a
// process that left the session may hold it open forever.
const drain = 2 * time.Second

// execute runs the program to its end.
func (r *runner) execute(ctx context.Context) error {
	argv, err := r.argv()
	if err != nil {
		return err
	}
	program, err := r.find(argv[0])
	if err != nil {
		return err
	}
	if r.s.Timeout != "" {
		d, err := time.ParseDuration(r.s.Timeout)
		if err != nil {
			return fmt.Errorf("timeout: %w", err)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, &timeoutError{r.s.Timeout})
		defer cancel()
	}
	log := newCapture(r.in.Log)
	r.log = log
	masked := newMasker(log, r.s.Secrets)
	p := &process{grace: r.s.grace, warn: r.out.Warn, note: filepath.Join(r.in.Scratch, processNote), start: r.confined(program), full: r.watchDisk}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.cancel = cancel
	state, err := p.run(ctx, &exec.Cmd{Path: program, Args: argv, Env: r.environment(), Dir: r.work}, masked)
	masked.close()
	r.end = p.end
	if err != nil {
		return r.startError(argv, program, err)
	}
	r.out.Metrics["cpu_seconds"] = (state.UserTime() + state.SystemTime()).Seconds()
	if use, ok := state.SysUsage().(*syscall.Rusage); ok {
		r.out.Metrics["max_rss_bytes"] = float64(maxRSS(use))
	}
	return r.outcome(ctx, argv, state)
}

// argv is the command line; a script becomes a file beside the working folder.
func (r *runner) argv() ([]string, error) {
	if r.s.Script == "" {
		if len(r.s.Argv) == 0 {
			return nil, errors.New("there is nothing to run: set argv or script")
		}
		return r.s.Argv, nil
	}
	if err := os.WriteFile(r.script(), []byte(r.s.Script), 0o644); err != nil {
		return nil, fmt.Errorf("writing the script: %w", err)
	}
	return []string{"sh", "-eu", "../script"}, nil
}

// find looks a program up: by path, relative to the working folder, or in PATH.
func (r *runner) find(name string) (string, error) {
	if strings.Contains(name, "/") {
		p := name
		if !filepath.IsAbs(p) {
			p = filepath.Join(r.work, p)
		}
		return name, executable(p, name)
	}
	env := r.in.Services.Environment
	if p, ok := r.s.Environment["PATH"]; ok {
		env = []string{"PATH=" + p}
	}
	dirs := searchPath(env)
	if p, ok := findIn(dirs, name); ok {
		return p, nil
	}
	err := fmt.Errorf("there is no program %q in PATH (%s)", name, strings.Join(dirs, string(filepath.ListSeparator)))
	if _, serr := os.Lstat(filepath.Join(r.work, inputFolder, name)); serr == nil {
		err = fmt.Errorf("%w: did you mean the input %q?", err, inputFolder+"/"+name)
	}
	return "", err
}

func findIn(dirs []string, name string) (string, bool) {
	for _, d := range dirs {
		p := filepath.Join(d, name)
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return p, true
		}
	}
	return "", false
}

func executable(p, name string) error {
	info, err := os.Stat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(filepath.ToSlash(filepath.Clean(name)), inputFolder+"/"):
		return fmt.Errorf("there is no program %s: is it one of the inputs?", name)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no program %s: a file of the experiment becomes visible as an input, inputs = { name = path(%q) }, and is then run as %s/name", name, filepath.Base(name), inputFolder)
	case err != nil:
		return fmt.Errorf("the program %s: %w", name, err)
	case info.IsDir():
		return fmt.Errorf("%s is a folder, not a program", name)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not executable: name its interpreter, as in argv = [\"python3\", %q], or set the file's executable bit (chmod +x)", name, name)
	}
	return nil
}

// startError explains why a program that is there did not start.
func (r *runner) startError(argv []string, program string, err error) error {
	var path *fs.PathError
	if !errors.As(err, &path) {
		return err
	}
	err = path.Err
	switch {
	case errors.Is(err, syscall.E2BIG):
		return fmt.Errorf("starting %s: the arguments and the environment are too long for the system: write them to a file and give it as an input", argv[0])
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("starting %s: it is neither a program of this machine nor a script that begins with #!: name its interpreter in argv", argv[0])
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("starting %s: %s", argv[0], r.interpreter(program))
	}
	return fmt.Errorf("starting %s: %w", argv[0], err)
}

// interpreter says what is wrong with the first line of a script.
func (r *runner) interpreter(program string) string {
	if !filepath.IsAbs(program) {
		program = filepath.Join(r.work, program)
	}
	head := make([]byte, 256)
	f, err := os.Open(program)
	if err == nil {
		n, _ := io.ReadFull(f, head)
		head = head[:n]
		_ = f.Close()
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	switch {
	case !bytes.HasPrefix(line, []byte("#!")):
		return "the loader that it was built for is not on this machine"
	case bytes.HasSuffix(line, []byte("\r")):
		return "its first line ends in a carriage return (CRLF line endings): convert it with dos2unix or `sed -i 's/\\r$//'`"
	}
	return fmt.Sprintf("the interpreter of its first line, %q, is not on this machine", line)
}

// outcome turns the way a program ended into an error, or nil for exit status 0.
func (r *runner) outcome(ctx context.Context, argv []string, state *os.ProcessState) error {
	if cause := context.Cause(ctx); cause != nil { // whatever it said in the end
		var late *timeoutError
		if errors.As(cause, &late) {
			return fmt.Errorf("%s: %w", shown(argv, r.s.Script), cause)
		}
		return cause
	}
	if state.Success() {
		return nil
	}
	if r.end.OutOfMemory {
		const text = "%s ran out of memory: it and all that it started wanted more than the %d MiB of resources { memory }"
		return &exitError{fmt.Sprintf(text, shown(argv, r.s.Script), r.in.Limits.Memory>>20), state.ExitCode()}
	}
	text, hint := "failed with exit status "+strconv.Itoa(state.ExitCode()), r.hint(argv, state.ExitCode())
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		text, hint = "was ended by signal "+signalText(ws.Signal()), ""
		if ws.Signal() == syscall.SIGKILL {
			hint = "\nPerhaps the machine ran out of memory: state what it needs, resources { memory = \"16GiB\" }."
		}
	}
	return &exitError{fmt.Sprintf("%s %s%s", shown(argv, r.s.Script), text, hint), state.ExitCode()}
}

// exitError is the end of a program that failed.
type exitError struct {
	text string
	code int // -1 where a signal ended it
}

func (e *exitError) Error() string { return e.text }

// ExitCode is the program's; -1 where a signal ended it.
func (e *exitError) ExitCode() int { return e.code }

func signalText(s syscall.Signal) string { return fmt.Sprintf("%d (%s)", int(s), s) }

// hint guesses from an exit status what went wrong.
func (r *runner) hint(argv []string, code int) string {
	switch {
	case code == 128+int(syscall.SIGKILL):
		return "\nExit status 137 is that of a program that was killed: perhaps the machine ran out of memory."
	case code == 127:
		return "\nExit status 127 is a shell's for a program that is not in PATH."
	case code == 126:
		return "\nExit status 126 is a shell's for a file that is not executable."
	}
	for _, a := range argv[1:] {
		ext := filepath.Ext(a)
		if ext == "" || strings.HasPrefix(a, "-") || strings.ContainsAny(a, " \n") || filepath.IsAbs(a) || len(ext) > 4 {
			continue
		}
		if _, err := os.Lstat(filepath.Join(r.work, a)); err == nil {
			continue
		}
		if _, err := os.Lstat(filepath.Join(r.work, inputFolder, a)); err == nil {
			return fmt.Sprintf("\n%s is not in the working folder: the input lies at %s/%s.", a, inputFolder, a)
		}
		if isScript(ext) {
			return fmt.Sprintf("\n%s is not in the working folder: name it in inputs, as in inputs = { script = path(%q) }, and write %s/script in argv.", a, a, inputFolder)
		}
	}
	return ""
}

func isScript(ext string) bool {
	switch ext {
	case ".py", ".sh", ".R", ".r", ".jl", ".pl", ".lua", ".js", ".rb":
		return true
	}
	return false
}

// shown is a command line for a message.
func shown(argv []string, script string) string {
	const most = 200
	if script != "" {
		return "the script"
	}
	var b strings.Builder
	for i, a := range argv {
		if i > 0 {
			b.WriteByte(' ')
		}
		if a == "" || strings.ContainsAny(a, " \t\n\"'\\$`&|;<>()*?") {
			a = strconv.Quote(a)
		}
		b.WriteString(a)
	}
	if b.Len() > most {
		return strings.ToValidUTF8(b.String()[:most], "") + "..."
	}
	return b.String()
}

// timeoutError says that a command took too long.
type timeoutError struct{ limit string }

func (e *timeoutError) Error() string {
	return "stopped after its timeout of " + e.limit
}

// process is one run of a program in a session of its own.
type process struct {
	grace time.Duration
	warn  func(format string, args ...any)
	start func(*exec.Cmd) (*sandbox.Running, error) // nil to start it as it is
	full  func(stop <-chan struct{}) error          // waits until there is too much in the scratch folder; may be nil
	note  string                                    // file that says which session runs, for when nbpipe is killed

	cancel context.CancelCauseFunc
	end    sandbox.End

	running *sandbox.Running

	mu     sync.Mutex
	pid    int
	exited bool // the number may soon be another process's
}

// run starts cmd, copies its output to w, and returns after its session has ended.
// The error is one of starting: how the program ended is in the state.
func (p *process) run(ctx context.Context, cmd *exec.Cmd, w io.Writer) (*os.ProcessState, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe for the output: %w", err)
	}
	defer func() { _ = read.Close() }()
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = newSession()
	sealDescriptors()
	// The kernel ends the program with the thread that started it (see
	// newSession), so that thread has to live as long as the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = p.begin(cmd)
	_ = write.Close()
	if err != nil {
		return nil, err
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(w, read)
	}()
	p.remember()
	defer p.forget()
	stop := context.AfterFunc(ctx, p.terminate)
	enough := p.guard()
	awaitExit(cmd)
	p.ended()
	enough()
	stop()
	_ = cmd.Wait() // how it ended is told by the state
	p.end = p.running.End()
	if p.end.Left || p.survivors() {
		p.warn("the command left processes behind, which were ended: let it wait for them")
	}
	p.drain(read, copied)
	return cmd.ProcessState, nil
}

func (p *process) begin(cmd *exec.Cmd) (err error) {
	if p.start == nil {
		if err = cmd.Start(); err == nil {
			p.pid = cmd.Process.Pid
		}
		return err
	}
	if p.running, err = p.start(cmd); err == nil {
		p.pid = p.running.Pid()
	}
	return err
}

// guard stops the program when its scratch folder is full; what it returns ends that.
func (p *process) guard() func() {
	if p.full == nil {
		return func() {}
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		if err := p.full(stop); err != nil {
			p.cancel(err)
		}
	}()
	return func() { close(stop); <-done }
}

// terminate asks the session to end, and ends it after a grace.
func (p *process) terminate() {
	p.signal(syscall.SIGTERM)
	grace := p.grace
	if grace == 0 {
		grace = defaultGrace
	}
	time.AfterFunc(grace, func() { p.signal(syscall.SIGKILL) })
}

// signal reaches all processes of the group, as long as its number is ours; in the
// sandbox SIGKILL reaches those of other groups, too.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.exited:
	case !p.running.Supervised():
		_ = syscall.Kill(-p.pid, s)
	case s == syscall.SIGKILL:
		p.running.Kill()
	default:
		p.running.Terminate()
	}
}

// ended is called when the program has ended but its number is still taken.
func (p *process) ended() {
	p.signal(syscall.SIGKILL) // what it left behind
	p.mu.Lock()
	p.exited = true
	p.mu.Unlock()
}

// survivors reports whether processes of the group were still there, and waits
// a little until they are gone.
func (p *process) survivors() bool {
	if p.running.Supervised() {
		return false
	}
	if syscall.Kill(-p.pid, 0) != nil {
		return false
	}
	for range 20 {
		time.Sleep(5 * time.Millisecond)
		if syscall.Kill(-p.pid, 0) != nil {
			break
		}
	}
	return true
}

func (p *process) drain(read *os.File, copied <-chan struct{}) {
	timer := time.NewTimer(drain)
	defer timer.Stop()
	select {
	case <-copied:
	case <-timer.C:
		p.warn("a process that the command left behind in another session still holds its output")
		_ = read.Close()
		<-copied
	}
}

// nearest returns the candidate most like name, if any is like it.
func nearest(name string, candidates []string) (string, bool) {
	best, distance := "", max(len(name)/3, 2)+1
	for _, c := range candidates {
		if d := levenshtein.Distance(name, c, nil); d < distance {
			best, distance = c, d
		}
	}
	return best, best != ""
}
