package torch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// grace is how long Python may take to end when it is asked to.
	grace = 5 * time.Second
	// drain is how long the output of a Python that has ended is waited for: a
	// process that left the session may hold it open forever.
	drain = 2 * time.Second
)

// child is one run of Python in a session of its own.
type child struct {
	cmd    *exec.Cmd
	input  io.Reader // becomes the standard input; nil for a pipe that answer writes to
	warn   func(string)
	errors tail // of the standard error

	answers *os.File // our end of the standard input

	mu     sync.Mutex
	exited bool // its number may soon be another process's
}

// command prepares a run of the interpreter.
func (e *Engine) command(args ...string) (*child, error) {
	python, err := e.find()
	if err != nil {
		return nil, err
	}
	return &child{
		cmd:  &exec.Cmd{Path: python, Args: append([]string{python}, args...), Env: e.environment()},
		warn: e.warn,
	}, nil
}

// run starts Python and hands its messages to handle, in the caller's
// goroutine, warnings and failures excepted. It returns after the session has
// ended. An error of handle ends Python.
func (c *child) run(ctx context.Context, handle func(*message, *child) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	out, ended, err := c.start()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, c.terminate)
	defer stop()
	failure := c.listen(out, handle)
	if failure != nil {
		c.signal(syscall.SIGKILL)
	}
	state := <-ended
	if ctx.Err() != nil { // whatever it said in the end
		return context.Cause(ctx)
	}
	if failure != nil {
		return failure
	}
	return c.outcome(state)
}

// start returns our end of the standard output, and a channel that tells how
// Python ended.
func (c *child) start() (*os.File, <-chan *os.ProcessState, error) {
	pipes, err := newPipes(3)
	if err != nil {
		return nil, nil, err
	}
	in, out, errs := pipes[0], pipes[1], pipes[2]
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = in.read, out.write, errs.write
	c.cmd.SysProcAttr = newSession()
	c.answers = in.write
	started, ended := make(chan error), make(chan *os.ProcessState, 1)
	go func() {
		// The kernel ends Python with the thread that started it (see
		// newSession), so that thread has to live as long as Python.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		sealDescriptors()
		err := c.cmd.Start()
		in.read.Close()
		out.write.Close()
		errs.write.Close()
		started <- err
		if err != nil {
			return
		}
		awaitExit(c.cmd)
		c.ended()
		_ = c.cmd.Wait() // how it ended is told by the state
		// What still holds the output open has left the session.
		time.AfterFunc(drain, func() { out.read.Close(); errs.read.Close() })
		ended <- c.cmd.ProcessState
	}()
	if err := <-started; err != nil {
		in.write.Close()
		out.read.Close()
		errs.read.Close()
		return nil, nil, &Error{Kind: NoPython, Message: fmt.Sprintf("starting %s: %v", c.cmd.Path, err)}
	}
	c.errors.follow(errs.read)
	if c.input != nil {
		go func() {
			_, _ = io.Copy(c.answers, c.input) // a Python that has ended is told by its state
			c.answers.Close()
		}()
	}
	return out.read, ended, nil
}

type pipe struct{ read, write *os.File }

func newPipes(n int) ([]pipe, error) {
	var pipes []pipe
	for range n {
		r, w, err := os.Pipe()
		if err != nil {
			for _, p := range pipes {
				p.read.Close()
				p.write.Close()
			}
			return nil, fmt.Errorf("making a pipe for Python: %w", err)
		}
		pipes = append(pipes, pipe{r, w})
	}
	return pipes, nil
}

// listen reads messages until the output ends.
func (c *child) listen(out *os.File, handle func(*message, *child) error) error {
	defer out.Close()
	if c.input == nil {
		defer c.answers.Close()
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(make([]byte, 0, 1<<12), maxLine)
	for lines.Scan() {
		m, err := decodeMessage(lines.Bytes())
		if err != nil {
			return err
		}
		if m.Type == "warning" {
			c.warn(m.Message)
			continue
		}
		if err := m.failure(); err != nil {
			return err
		}
		if err := handle(m, c); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return &Error{Kind: Malformed, Message: fmt.Sprintf("a line of over %d bytes came from Python", maxLine)}
	}
	return nil // what else ends the output is told by the state
}

// answer sends a line to the script. That nobody reads it any more is told by
// the state.
func (c *child) answer(line []byte) { _, _ = c.answers.Write(append(line, '\n')) }

// terminate asks the session to end, and ends it after a grace.
func (c *child) terminate() {
	c.signal(syscall.SIGTERM)
	time.AfterFunc(grace, func() { c.signal(syscall.SIGKILL) })
}

// signal reaches all processes of the group, as long as its number is ours.
func (c *child) signal(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.exited {
		_ = syscall.Kill(-c.cmd.Process.Pid, s)
	}
}

// ended is called when Python has ended but its number is still taken.
func (c *child) ended() {
	c.signal(syscall.SIGKILL) // what it left behind
	c.mu.Lock()
	c.exited = true
	c.mu.Unlock()
}

// outcome turns the way Python ended into an error, or nil for exit status 0.
func (c *child) outcome(state *os.ProcessState) error {
	if state.Success() {
		return nil
	}
	detail := c.errors.String()
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		if ws.Signal() == syscall.SIGKILL {
			return &Error{Kind: OutOfMemory, Message: "Python was killed (signal 9), most often since the machine ran out of memory", Detail: detail}
		}
		return &Error{Kind: Died, Message: fmt.Sprintf("Python was ended by signal %d (%v)", int(ws.Signal()), ws.Signal()), Detail: detail}
	}
	return &Error{Kind: Died, Message: fmt.Sprintf("Python ended with exit status %d", state.ExitCode()), Detail: detail}
}

// tail keeps the end of a stream.
type tail struct {
	done chan struct{}
	text []byte
}

const (
	tailBytes = 4 << 10
	tailLines = 12
)

// follow reads the stream to its end.
func (t *tail) follow(f *os.File) {
	t.done = make(chan struct{})
	go func() {
		defer close(t.done)
		defer f.Close()
		buf := make([]byte, tailBytes)
		for {
			n, err := f.Read(buf)
			t.text = append(t.text, buf[:n]...)
			t.text = t.text[max(0, len(t.text)-tailBytes):]
			if err != nil {
				return
			}
		}
	}()
}

// String gives the last lines, when the stream has ended.
func (t *tail) String() string {
	if t.done == nil {
		return ""
	}
	<-t.done
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(t.text), "?")), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
