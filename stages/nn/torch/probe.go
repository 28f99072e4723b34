package torch

import (
	"bytes"
	"context"
	"io/fs"
	"time"
)

// probeTime is how long a probe may take: PyTorch on a network file system,
// read for the first time, needs most of a minute.
const probeTime = 3 * time.Minute

// Probe is what there is on this machine.
type Probe struct {
	Python string `json:"python"`
	Torch  string `json:"torch"`
	NumPy  string `json:"numpy"`
	CPU    string `json:"cpu"` // model and instruction set
	GPUs   int    `json:"gpus"`
	GPU    string `json:"gpu"` // model of the first
	CUDA   string `json:"cuda"`
	CuDNN  string `json:"cudnn"`
	Driver string `json:"driver"`
}

// Probe asks Python what there is, once; a failure is not remembered, since
// what is missing may have been installed.
func (e *Engine) Probe(ctx context.Context) (*Probe, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.probe != nil {
		return e.probe, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, probeTime, &Error{Kind: Failed, Message: "Python did not answer in " + probeTime.String()})
	defer cancel()
	text, err := fs.ReadFile(script, scriptProbe)
	if err != nil {
		return nil, err
	}
	c, err := e.command("-B", "-")
	if err != nil {
		return nil, err
	}
	c.input = bytes.NewReader(text)
	var found *Probe
	err = c.run(ctx, func(m *message, _ *child) error {
		if m.Type != "probe" {
			return unexpected(m)
		}
		found = &m.Probe
		return nil
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, &Error{Kind: Malformed, Message: "Python ended without an answer", Detail: c.errors.String()}
	}
	if e.options.Device == CUDA && found.GPUs == 0 {
		return nil, &Error{Kind: NoCUDA, Message: "PyTorch " + found.Torch + " finds no GPU"}
	}
	e.probe = found
	return found, nil
}
