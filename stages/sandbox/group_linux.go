package sandbox

import (
	"cmp"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// groupPrefix begins the names of cgroups that are made for programs.
const groupPrefix = "nbpipe-"

// group is a cgroup (version 2) of one program: see cgroups(7).
type group struct {
	dir string
	f   *os.File // locked as long as somebody is responsible for it
}

// groupParent finds the nearest cgroup above this process's own in which this user
// may make others that limit memory; "" where there is none, and whether they limit
// processor time, too. A systemd user session has one, and a job of Slurm does not.
//
// Controllers are not switched on: cgroups have one owner, who did or did not. And
// no limit is left behind by going up: what is set for nbpipe holds for its programs.
func groupParent() (parent string, cpu bool) {
	root, dir := ownGroup()
	for dir != "" {
		g, err := newGroup(dir)
		if err == nil {
			_, memory := g.read("memory.max")
			_, cpu = g.read("cpu.max")
			works := memory && startsIn(g)
			g.remove()
			if works {
				return dir, cpu
			}
		}
		if dir == root || limited(dir) {
			return "", false
		}
		dir = filepath.Dir(dir)
	}
	return "", false
}

// ownGroup is the folder of this process's cgroup, and the highest that is seen here;
// "" where there is none.
func ownGroup() (root, dir string) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", ""
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", ""
	}
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line) // proc(5): its root in the file system is the fourth, its place the fifth
		if len(f) < 6 || !strings.Contains(line, " - cgroup2 ") {
			continue
		}
		for line := range strings.Lines(string(own)) {
			if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
				if rel, err := filepath.Rel(f[3], path); err == nil && filepath.IsLocal(rel) {
					return f[4], filepath.Join(f[4], rel)
				}
			}
		}
	}
	return "", ""
}

// limited reports whether a cgroup has limits of its own.
func limited(dir string) bool {
	g := group{dir: dir}
	for _, name := range []string{"memory.max", "memory.high", "cpu.max"} {
		if text, ok := g.read(name); ok && !strings.HasPrefix(text, "max") {
			return true
		}
	}
	text, _ := g.read("cpuset.cpus")
	return text != ""
}

// newGroup makes a cgroup.
func newGroup(parent string) (*group, error) {
	const tries = 3 // somebody who clears up can be faster than the lock
	var g group
	var err error
	for range tries {
		if g.dir, err = os.MkdirTemp(parent, groupPrefix); err != nil {
			return nil, err
		}
		if g.f, err = os.Open(g.dir); err != nil {
			_ = os.Remove(g.dir)
			continue
		}
		if err = unix.Flock(int(g.f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err == nil {
			_, err = os.Stat(g.dir)
		}
		if err == nil {
			return &g, nil
		}
		g.remove()
	}
	return nil, fmt.Errorf("making a cgroup in %s: %w", parent, err)
}

func (g *group) read(name string) (string, bool) {
	b, err := os.ReadFile(filepath.Join(g.dir, name))
	return strings.TrimSpace(string(b)), err == nil
}

func (g *group) write(name, text string) error {
	f, err := os.OpenFile(filepath.Join(g.dir, name), os.O_WRONLY, 0) // there are no others to be made
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return cmp.Or(err, f.Close())
}

// period is that of cpu.max, in microseconds, and the shortest share of it.
const (
	period   = 100_000
	shortest = 1000
)

// limit sets what all processes of the group together may use; 0 means no limit. When
// memory runs out, all of them end.
func (g *group) limit(memory int64, cpus float64) error {
	if memory > 0 {
		if err := g.write("memory.max", strconv.FormatInt(memory, 10)); err != nil {
			return fmt.Errorf("limiting memory: %w", err)
		}
		for name, value := range map[string]string{"memory.swap.max": "0", "memory.oom.group": "1"} {
			if err := g.write(name, value); err != nil && !os.IsNotExist(err) { // without swap, or before Linux 4.19
				return fmt.Errorf("limiting memory: %w", err)
			}
		}
	}
	if cpus > 0 {
		quota := max(int64(math.Ceil(cpus*period)), shortest)
		if err := g.write("cpu.max", fmt.Sprintf("%d %d", quota, period)); err != nil {
			return fmt.Errorf("limiting processor time: %w", err)
		}
	}
	return nil
}

// outOfMemory reports whether processes were ended because the group reached its limit.
func (g *group) outOfMemory() bool {
	text, _ := g.read("memory.events")
	reached, killed := false, false
	for line := range strings.Lines(text) {
		name, n, _ := strings.Cut(strings.TrimSpace(line), " ")
		reached = reached || name == "oom" && n != "0"
		killed = killed || name == "oom_kill" && n != "0"
	}
	return reached && killed
}

// remove ends what is still in the group, and removes it.
func (g *group) remove() {
	_ = g.write("cgroup.kill", "1") // Linux 5.14; mostly nobody is left
	const tries = 100
	for range tries {
		if err := os.Remove(g.dir); err == nil || !os.IsExist(err) && !isBusy(err) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	_ = g.f.Close()
}

func isBusy(err error) bool {
	pe, ok := err.(*fs.PathError) //nolint:errorlint // os.Remove returns nothing else
	return ok && pe.Err == unix.EBUSY
}

// clearGroups removes groups that nobody is responsible for any more: their nbpipe,
// and the helper that it had, were killed.
func clearGroups(parent string) {
	left, _ := filepath.Glob(filepath.Join(parent, groupPrefix+"*")) // the pattern is well formed
	for _, dir := range left {
		f, err := os.Open(dir)
		if err != nil {
			continue
		}
		g := group{dir, f}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			g.remove()
			continue
		}
		_ = f.Close()
	}
}
