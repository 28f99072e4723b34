package command

import (
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// UnconfinedFact is the fact of a run's record that says what the machine could not
// enforce of the sandbox.
const UnconfinedFact = "sandbox_missing"

// confined says how the program is started: nil, as it is, where there is no sandbox.
// more are files that it may change beside.
func (r *runner) confined(program string, more ...string) func(*exec.Cmd) (*sandbox.Running, error) {
	s := r.in.Services.Sandbox
	if s == nil {
		return nil
	}
	r.out.Facts["sandbox"] = s.Support().String()
	if missing := s.Support().Missing(); len(missing) > 0 {
		r.out.Facts[UnconfinedFact] = strings.Join(missing, "; ")
	}
	p := r.policy(s, program)
	p.Write = append(p.Write, more...)
	return func(cmd *exec.Cmd) (*sandbox.Running, error) { return s.Start(cmd, p) }
}

// policy is what the block lets the program do.
func (r *runner) policy(s *sandbox.Sandbox, program string) sandbox.Policy {
	env := r.in.Services.Environment
	if p, ok := r.s.Environment["PATH"]; ok {
		env = []string{"PATH=" + p}
	}
	programs, folders := []string{program}, searchPath(env)
	for _, tool := range r.s.Tools {
		if len(tool) == 0 {
			continue
		}
		if p, err := LookPath(tool[0], env); err == nil {
			programs = append(programs, p)
		}
	}
	read := s.Programs(programs, folders)
	for _, e := range r.environment() { // set by `module load` for programs that need it
		if libraries, ok := strings.CutPrefix(e, "LD_LIBRARY_PATH="); ok {
			read = append(read, filepath.SplitList(libraries)...)
		}
	}
	read = append(append(read, expand(r.s.SandboxRead, r.in.Services.Environment)...), r.script())
	return sandbox.Policy{Read: read, Write: []string{r.work, r.home()}, Network: r.s.Network, Memory: r.in.Limits.Memory, CPUs: r.in.Limits.CPUs}
}

// expand makes the paths of sandbox_read absolute.
func expand(paths, environ []string) []string {
	home, _ := lookup(environ, "HOME")
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		if rest, ok := strings.CutPrefix(p, "~/"); ok && home != "" {
			p = filepath.Join(home, rest)
		}
		out = append(out, filepath.Clean(p))
	}
	return out
}

// Bounds of what is told about denials, and of the disk.
const (
	mostTold    = 5
	reserve     = 512 << 20 // bytes of the disk that stay free
	lookEvery   = 200 * time.Millisecond
	walksAtMost = 20 // times as long as a walk takes, the next one waits
)

// denied tells what the sandbox refused and how to allow it; "" for nothing.
func (r *runner) denied() string {
	return refusals(r.end.Denials, func(d sandbox.Denial) string { return r.masked(d.Path) + ": " + r.remedy(d) })
}

// refusals lists denials, each with what tell says of it.
func refusals(denials sandbox.Denials, tell func(sandbox.Denial) string) string {
	if len(denials.List) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("the sandbox refused")
	for i, d := range denials.List {
		if i == mostTold {
			break
		}
		fmt.Fprintf(&b, "\n  %s %s", map[sandbox.Access]string{sandbox.ToRead: "reading", sandbox.ToWrite: "writing", sandbox.ToRun: "running"}[d.Kind], tell(d))
	}
	if more := len(denials.List) - mostTold + denials.More; more > 0 {
		fmt.Fprintf(&b, "\n  and %d more", more)
	}
	return b.String()
}

// remedy names the attribute to add.
func (r *runner) remedy(d sandbox.Denial) string {
	experiment := r.in.Services.Sandbox.Experiment
	rel, err := filepath.Rel(experiment, d.Path)
	inside := experiment != "" && err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
	switch {
	case d.Kind == sandbox.ToWrite:
		return "write to the working folder, or to $TMPDIR what is not kept"
	case d.Kind == sandbox.ToRun:
		return fmt.Sprintf("name the program, tools = { %s = [%q, \"--version\"] }", toolName(d.Path), d.Path)
	case r.in.Services.Sandbox.IsPrivate(d.Path):
		return "a folder with private files is not opened: name what is needed of it, data in inputs, programs and libraries in sandbox_read"
	case inside:
		return fmt.Sprintf("inputs = { %s = path(%q) }, and read in/%[1]s", toolName(strings.TrimSuffix(rel, filepath.Ext(rel))), rel)
	}
	return fmt.Sprintf("data belong into inputs; programs and libraries are allowed by sandbox_read = [%q]", d.Path)
}

// withDenials adds to a failure what the sandbox may have to do with it.
func (r *runner) withDenials(err error) error {
	s := r.in.Services.Sandbox
	if s == nil || r.log == nil {
		return err
	}
	text, said := r.denied(), string(r.log.last)
	switch {
	case text != "":
		return fmt.Errorf("%w\nPerhaps because %s", err, text)
	case s.Support().Landlock > 0 && !s.Support().Watch && mentions(said, "Permission denied", "PermissionError"):
		return fmt.Errorf("%w\nPerhaps because the sandbox refused a file: `nbpipe shell` opens a shell in it; name the file in inputs, or in sandbox_read", err)
	case !r.s.Network && s.Support().Network != "" && mentions(said, "name resolution", "Could not resolve", "Network is unreachable", "Name or service not known"):
		return fmt.Errorf("%w\nA command has no network, unless it says network = true; a dataset block fetches a file once, and checks it", err)
	}
	return err
}

func mentions(text string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

// watchDisk returns an error when the scratch folder holds more than the node may
// use, or its disk is almost full, and nil at stop.
func (r *runner) watchDisk(stop <-chan struct{}) error {
	wait := lookEvery
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(wait):
		}
		wait = lookEvery
		var fs unix.Statfs_t
		if unix.Statfs(r.in.Scratch, &fs) == nil && fs.Blocks > 0 {
			block := int64(fs.Bsize) //nolint:unconvert // its type differs between systems
			free, all := int64(fs.Bavail)*block, int64(fs.Blocks)*block
			if free < min(reserve, all/50) {
				return fmt.Errorf("stopped: the disk of the scratch folder is almost full (%d MiB free); free space on it, or choose another with --cache", free>>20)
			}
		}
		if most := r.in.Limits.Disk; most > 0 {
			started := time.Now()
			if n := r.diskUse(); n > most {
				return fmt.Errorf("stopped: its scratch folder holds %d MiB, more than the %d MiB of resources { disk }", n>>20, most>>20)
			}
			wait = max(wait, walksAtMost*time.Since(started))
		}
	}
}

// diskUse is what the program has written, in bytes of the disk.
func (r *runner) diskUse() int64 {
	var sum int64
	for _, root := range []string{r.work, r.home()} {
		_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil { // it comes and goes
				return nil
			}
			if p == filepath.Join(r.work, inputFolder) {
				return filepath.SkipDir
			}
			var info unix.Stat_t
			if unix.Lstat(p, &info) == nil {
				sum += info.Blocks * 512
			}
			return nil
		})
	}
	return sum
}
