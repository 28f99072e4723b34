package training

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/gorgonia"
	"github.com/nbpipe/nbpipe/stages/nn/torch"
)

// The engines.
const (
	Gorgonia = "gorgonia"
	Torch    = torch.Name
)

// probeName is the name of the tool probe of engine torch: of the attribute that a
// failure is about.
const probeName = "python"

// Probes implements stages.Tooled for kinds that have the attributes of EngineOptions.
func (e *EngineOptions) Probes() map[string]stages.Probe {
	if e.Engine != Torch {
		return nil
	}
	argv, err := torch.ProbeCommand(e.Python)
	if err != nil {
		return nil // the script is part of the binary
	}
	return map[string]stages.Probe{probeName: {Argv: argv, Pass: torch.Passed()}}
}

// Versions implements stages.Versioned for kinds that have the attributes of EngineOptions.
func (e *EngineOptions) Versions() map[string]string {
	out := map[string]string{}
	if e.Engine != Torch {
		if v, err := gorgonia.New().Version(context.Background()); err == nil { // it asks nobody
			out["engine"] = v
		}
	}
	if e.Engine != Gorgonia {
		if v, err := torch.ScriptVersion(); err == nil {
			out["script"] = v
		}
	}
	return out
}

// engines makes engines for a running stage.
func (e *EngineOptions) engines(in *stages.Input) func() (nn.Engine, error) {
	return func() (nn.Engine, error) {
		if e.Engine == Gorgonia {
			return gorgonia.New(), nil
		}
		options := torch.Options{
			Python: e.Python, Environment: in.Services.Environment, Scratch: in.Scratch,
			Device: torch.Device(e.Device), Threads: e.Threads,
			Warn: func(text string) { fmt.Fprintln(in.Log, text) },
		}
		return torch.New(options)
	}
}

// ReadsFiles reports whether the engine reads large arrays from their files itself.
func (e *EngineOptions) ReadsFiles() bool { return e.Engine == Torch }

// Trainer is the stage's trainer, and the engine's version for the run record.
func (e *EngineOptions) Trainer(ctx context.Context, in *stages.Input, trainings int) (*Trainer, string, error) {
	t := &Trainer{New: e.engines(in), Workers: max(1, min(in.CPUs, trainings)), Threads: 1, Resume: in.Resume, Progress: in.Progress}
	t.Threads = max(1, in.CPUs/t.Workers)
	one, err := t.New()
	if err != nil {
		return nil, "", err
	}
	if e.Engine == Gorgonia {
		t.Memory = in.Services.Memory
	}
	if e.Engine == Torch {
		t.Workers = max(1, t.Workers/e.Threads)
		if err := e.unchanged(ctx, in, one.(*torch.Engine), t); err != nil {
			return nil, "", err
		}
	}
	version, err := one.Version(ctx)
	return t, version, err
}

// unchanged checks that PyTorch is what the key says, and that trainings on a GPU
// have it to themselves.
func (e *EngineOptions) unchanged(ctx context.Context, in *stages.Input, one *torch.Engine, t *Trainer) error {
	found, err := one.Probe(ctx)
	if err != nil {
		return explained(only(err, e.Only))
	}
	if found.GPUs > 0 && e.Device != string(torch.CPU) {
		t.Workers = 1
	}
	said, probed := in.Probes[probeName]
	if !probed {
		return nil // a stage that runs outside an experiment has no key
	}
	now := *found
	var keyed torch.Probe
	if err := json.Unmarshal([]byte(said), &keyed); err != nil {
		return fmt.Errorf("python: what it said of PyTorch cannot be read: %w", err)
	}
	// A stage sees the one GPU that it was given, and the key was made where all are seen.
	keyed.GPUs, now.GPUs = min(keyed.GPUs, 1), min(now.GPUs, 1)
	if keyed != now {
		return fmt.Errorf("python: PyTorch is another one than when the key of this node was made (%+v, now %+v): run again", keyed, now)
	}
	return nil
}
