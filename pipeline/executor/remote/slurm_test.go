package remote_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/slurm"
	"github.com/nbpipe/nbpipe/pipeline/executor/slurm/slurmtest"
)

func TestSlurm(t *testing.T) {
	if os.Getenv("NBPIPE_CI") == "" {
		t.Skip("SKIPPED: tests on a Slurm cluster run where NBPIPE_CI is set")
	}
	t.Parallel()
	executortest.Run(t, func(t *testing.T) *executortest.Bench {
		t.Parallel() // each on a cluster of its own
		c := slurmtest.Up(t, slurmtest.Options{})
		b := openWith(t, folderPlace(t), func(site launch.Site) (launch.Launcher, error) {
			site.Environment = c.Environment()
			return (&slurm.Settings{Slots: 2, CPUs: 1, GRES: "gpu"}).Launcher(site)
		})
		b.Machines = []string{"n1", "n2"}
		signal := func(pids []int, s syscall.Signal) (n int) {
			for _, pid := range pids {
				if syscall.Kill(pid, s) == nil {
					n++
				}
			}
			return n
		}
		b.KillWorkers = func(*testing.T) int { return signal(c.Jobs(), syscall.SIGKILL) }
		b.FreezeWorkers = func(*testing.T) func() {
			frozen := c.Jobs()
			signal(frozen, syscall.SIGSTOP)
			return func() { signal(frozen, syscall.SIGCONT) }
		}
		return b
	})
}
