package sandbox

import (
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// coresPath is a file of which each byte stands for a core, and a lock on it for a
// program that is kept to that core: so that the nbpipes of a machine choose different
// ones. Locks end with the process.
const coresPath = "/dev/shm/nbpipe-cores"

// cores are those that this process may use, and how many programs are kept to each.
type cores struct {
	mu    sync.Mutex
	own   []int
	used  []int
	locks *os.File // nil where there is no such file
}

func newCores(path string) *cores {
	c := &cores{own: ownCores()}
	c.used = make([]int, len(c.own))
	// It is not opened to be created, if it is there: the kernel refuses that for another user's.
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if os.IsNotExist(err) {
		if f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o666); err == nil {
			_ = f.Chmod(0o666) // for all users, whatever the umask
		}
	}
	if err == nil {
		c.locks = f
	}
	return c
}

// ownCores are the cores that this process may use, of which taskset, Slurm or a
// container may have left few.
func ownCores() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	var out []int
	for c := range len(set) * 64 {
		if set.IsSet(c) {
			out = append(out, c)
		}
	}
	return out
}

// take chooses n cores, those that fewest programs are kept to, and the function that
// gives them back. It is nil where n are no less than all.
func (c *cores) take(n int) (chosen []int, release func()) {
	if n <= 0 || n >= len(c.own) {
		return nil, func() {}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	load, order := make([]int, len(c.own)), make([]int, len(c.own))
	for i := range c.own {
		order[i], load[i] = i, c.used[i]
		if c.used[i] == 0 && c.lock(i, unix.F_OFD_GETLK) {
			load[i] = 1 // of another process
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return load[a] - load[b] })
	taken := order[:n]
	for _, i := range taken {
		if c.used[i]++; c.used[i] == 1 {
			c.lock(i, unix.F_OFD_SETLK)
		}
		chosen = append(chosen, c.own[i])
	}
	slices.Sort(chosen)
	return chosen, func() { c.give(taken) }
}

func (c *cores) give(taken []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range taken {
		if c.used[i]--; c.used[i] == 0 {
			c.unlock(i)
		}
	}
}

// lock sets a lock, or asks for one; it reports whether another process has it.
func (c *cores) lock(i, command int) bool {
	if c.locks == nil {
		return false
	}
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(c.own[i]), Len: 1}
	err := unix.FcntlFlock(c.locks.Fd(), command, &l)
	return err != nil || command == unix.F_OFD_GETLK && l.Type != unix.F_UNLCK
}

func (c *cores) unlock(i int) {
	if c.locks != nil {
		l := unix.Flock_t{Type: unix.F_UNLCK, Start: int64(c.own[i]), Len: 1}
		_ = unix.FcntlFlock(c.locks.Fd(), unix.F_OFD_SETLK, &l) // it was ours
	}
}
