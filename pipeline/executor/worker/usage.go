package worker

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
)

// Usage counts what this process and those that it starts use. CPU time is the
// kernel's; memory is that of the largest process, seen at signs of life and, of
// processes that have ended, told by the kernel, for which a program is at least as
// large as nbpipe was when it started it. One action at a time can be told
// apart.
type Usage struct {
	// Processes lists the resident bytes of this process and of all that it started;
	// nil where the system does not say.
	Processes func() []int64

	mu   sync.Mutex
	cpu  float64 // at the begin
	peak int64   // of ended processes, at the begin
	most int64
}

func (u *Usage) begin() {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cpu, u.peak = kernelUsage()
	u.most = 0
}

func (u *Usage) sample() {
	if u == nil || u.Processes == nil {
		return
	}
	all := u.Processes()
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, n := range all {
		u.most = max(u.most, n)
	}
}

// so is what was used since the begin: seconds of CPU, and bytes.
func (u *Usage) so() (cpu float64, rss int64) {
	if u == nil {
		return 0, 0
	}
	u.sample()
	u.mu.Lock()
	defer u.mu.Unlock()
	now, peak := kernelUsage()
	if peak > u.peak { // a process of this action was larger than all before
		u.most = max(u.most, peak)
	}
	return max(0, now-u.cpu), u.most
}

// facts are what a result's record tells of what was used, and where: whoever finds a
// result strange has to find the machine.
func (u *Usage) facts(about queue.Used) func() map[string]string {
	return func() map[string]string {
		cpu, rss := u.so()
		out := map[string]string{
			"used.cpu_seconds": strconv.FormatFloat(cpu, 'f', 2, 64), "used.max_rss": strconv.FormatInt(rss, 10), "machine.system": about.System,
		}
		for name, v := range map[string]string{
			"machine.gpu": about.GPU, "machine.gpu_driver": about.GPUDriver, "machine.host": about.Host, "machine.job": about.Job, "machine.job_has": about.JobHas,
		} {
			if v != "" {
				out[name] = v
			}
		}
		return out
	}
}

// kernelUsage is the CPU time of this process and its children that have ended, and
// the size of the largest of those.
func kernelUsage() (seconds float64, rss int64) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var r unix.Rusage
		if unix.Getrusage(who, &r) != nil {
			continue
		}
		for _, t := range []unix.Timeval{r.Utime, r.Stime} {
			seconds += float64(t.Sec) + float64(t.Usec)/1e6
		}
		if who == unix.RUSAGE_CHILDREN {
			rss = r.Maxrss * 1024
		}
	}
	return seconds, rss
}

// ProcessSizes reads the resident bytes of a process and of all that it started from
// /proc; nothing where there is none.
func ProcessSizes(self int) []int64 {
	found, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	parent, size := map[int]int{}, map[int]int64{}
	for _, name := range found {
		b, err := os.ReadFile(name)
		pid, perr := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil || perr != nil {
			continue
		}
		// The second field is a name in parentheses, in which there may be anything.
		text := string(b)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(fields) < 22 {
			continue
		}
		parent[pid], _ = strconv.Atoi(fields[1])
		pages, _ := strconv.ParseInt(fields[21], 10, 64)
		size[pid] = pages * int64(os.Getpagesize())
	}
	var out []int64
	for pid, n := range size {
		for at, hops := pid, 0; at > 1 && hops < 64; at, hops = parent[at], hops+1 {
			if at == self {
				out = append(out, n)
				break
			}
		}
	}
	return out
}
