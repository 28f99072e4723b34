package zerocostproxies

import (
	"context"
	"slices"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/proxies"
)

// engines are what workers compute gradients with.
type engines struct {
	open    func() (nn.Engine, error)
	workers int
	threads int    // of each
	version string // for the run record
}

// engines says how many workers score so many architectures, and with what.
func (s *Stage) engines(ctx context.Context, in *stages.Input, architectures int) (*engines, error) {
	if !s.needsEngine() {
		return &engines{workers: max(1, min(in.CPUs, architectures)), threads: 1, open: func() (nn.Engine, error) { return nil, nil }}, nil
	}
	t, version, err := s.Trainer(ctx, in, architectures)
	if err != nil {
		return nil, err
	}
	return &engines{open: t.New, workers: t.Workers, threads: t.Threads, version: version}, nil
}

// Probes implements stages.Tooled: what needs no engine depends on none.
func (s *Stage) Probes() map[string]stages.Probe {
	if !s.needsEngine() {
		return nil
	}
	return s.EngineOptions.Probes()
}

// Versions implements stages.Versioned.
func (s *Stage) Versions() map[string]string {
	if !s.needsEngine() {
		return nil
	}
	out := s.EngineOptions.Versions()
	if slices.Contains(s.asked(), proxies.Grasp) {
		out["grasp"] = "kernel " + proxies.GraspKernel(nn.Precision(s.Precision))
	}
	return out
}
