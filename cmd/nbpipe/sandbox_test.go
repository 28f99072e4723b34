package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/command"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// --require-sandbox refuses a machine that lacks a part, and says which and why.
func TestRequireSandbox(t *testing.T) {
	full := sandbox.Support{Landlock: 7, Network: sandbox.ByNamespace, Limits: true, Cores: true, Whole: true}
	if err := whole(full); err != nil {
		t.Error(err)
	}
	for name, lacks := range map[string]func(*sandbox.Support){
		"Landlock needs Linux 5.19": func(s *sandbox.Support) { s.Landlock = 0 },
		"can use the network":       func(s *sandbox.Support) { s.Network = "" },
		"memory is not limited":     func(s *sandbox.Support) { s.Limits = false },
		"can use all cores":         func(s *sandbox.Support) { s.Cores = false },
		"outlives them":             func(s *sandbox.Support) { s.Whole = false },
	} {
		able := full
		able.Why = "clone: operation not permitted"
		lacks(&able)
		err := whole((&sandbox.Sandbox{Probe: func() sandbox.Support { return able }}).Support())
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), able.Why) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// quiet shows no progress.
type quiet struct{}

func (quiet) Report(_, _ int64, _ string) {}

// BenchmarkSandbox runs a trivial command outside of the sandbox and in it, in turns.
// Others use the machine, too: it prints the time that one run in ten stays below, and
// the mean processor time. It is here since the helper is this binary, with all that
// nbpipe has in it.
func BenchmarkSandbox(b *testing.B) {
	box := &sandbox.Sandbox{}
	box.Support()
	base := b.TempDir()
	wall, cpu := map[*sandbox.Sandbox][]float64{}, map[*sandbox.Sandbox]float64{}
	for i := range b.N {
		for _, use := range []*sandbox.Sandbox{nil, box} {
			in := &stages.Input{CPUs: 1, Progress: quiet{}, Services: stages.Services{Environment: os.Environ(), Sandbox: use}}
			in.Scratch = filepath.Join(base, strconv.Itoa(i)+strconv.FormatBool(use == nil))
			if err := os.Mkdir(in.Scratch, 0o755); err != nil {
				b.Fatal(err)
			}
			s := &command.Stage{Argv: []string{"sh", "-c", "echo 1-2 > out.txt"}, Outputs: map[string]string{"o": "out.txt"}, Seed: 777}
			began, used := time.Now(), cpuSeconds()
			if err := s.Run(b.Context(), in, stages.NewOutput()); err != nil {
				b.Fatal(err)
			}
			wall[use] = append(wall[use], time.Since(began).Seconds())
			cpu[use] += cpuSeconds() - used
		}
	}
	ms := map[*sandbox.Sandbox]float64{}
	for use, all := range wall {
		slices.Sort(all)
		ms[use] = 1000 * all[len(all)/10]
	}
	b.ReportMetric(ms[nil], "ms-outside")
	b.ReportMetric(ms[box], "ms-inside")
	b.ReportMetric(ms[box]-ms[nil], "ms-added")
	b.ReportMetric(1000*(cpu[box]-cpu[nil])/float64(b.N), "CPU-ms-added")
}

// cpuSeconds are this process's, with those of children that have ended.
func cpuSeconds() float64 {
	sum := 0.0
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var use syscall.Rusage
		if syscall.Getrusage(who, &use) == nil {
			sum += float64(use.Utime.Nano()+use.Stime.Nano()) / 1e9
		}
	}
	return sum
}
