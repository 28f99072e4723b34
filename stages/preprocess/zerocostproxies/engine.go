package zerocostproxies

import (
	"fmt"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/torch"
)

// open makes an engine for one worker.
func (s *Stage) open(in *stages.Input) (nn.Engine, error) {
	return torch.New(torch.Options{
		Python: s.Python, Environment: in.Services.Environment, Scratch: in.Scratch, Device: torch.Device(s.Device), Threads: s.Threads,
		Warn: func(text string) { fmt.Fprintln(in.Log, text) },
	})
}
