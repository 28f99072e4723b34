package torch

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is what went wrong, so far as a remedy depends on it.
type Kind string

// The kinds of failure.
const (
	NoPython    Kind = "no_python"     // the interpreter is not there
	OldPython   Kind = "old_python"    // before 3.8
	NoTorch     Kind = "no_torch"      // PyTorch or NumPy cannot be imported
	OldTorch    Kind = "old_torch"     // before 1.13
	NoCUDA      Kind = "no_cuda"       // a GPU was asked for, and PyTorch finds none
	OutOfMemory Kind = "out_of_memory" // of the GPU, or the machine's
	Malformed   Kind = "malformed"     // what came from Python is no answer of the script
	Died        Kind = "died"          // Python ended without saying why
	Failed      Kind = "failed"        // an exception in the script
)

// Error is a failure of Python or the script.
type Error struct {
	Kind    Kind
	Message string // one line
	Detail  string // last lines of the standard error, or where the exception came from; may be empty
	Only    bool   // no other engine could do the job
}

// remedies are what helps, by kind.
var remedies = map[Kind]string{
	NoPython:    `install Python (apt install python3 python3-torch) or name another interpreter`,
	OldPython:   `Python 3.8 or later is needed: name another interpreter`,
	NoTorch:     `install PyTorch for this interpreter (apt install python3-torch, or pip install torch numpy) or name another interpreter`,
	OldTorch:    `PyTorch 1.13 or later is needed (pip install --upgrade torch)`,
	NoCUDA:      `run it where nvidia-smi shows a GPU, with a PyTorch that was built for CUDA; or set device = "cpu"`,
	OutOfMemory: `a smaller batch_size helps most; else precision = "mixed", or a machine with more memory (resources { memory = ... })`,
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "engine %s: %s", Name, e.Message)
	if r := remedies[e.Kind]; r != "" {
		fmt.Fprintf(&b, ": %s", r)
		if !e.Only && slices.Contains([]Kind{NoPython, OldPython, NoTorch, OldTorch}, e.Kind) {
			b.WriteString(`, or set engine = "gorgonia"`)
		}
	}
	if e.Detail != "" {
		fmt.Fprintf(&b, "\n%s", strings.TrimRight(e.Detail, "\n"))
	}
	return b.String()
}
