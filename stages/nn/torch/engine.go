package torch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// Name is the engine's name in files.
const Name = "torch"

// revision is raised when the Go side changes what a job means.
const revision = 1

// Device is where PyTorch computes.
type Device string

// The devices.
const (
	Auto Device = "auto" // the first GPU that PyTorch finds, else the processor
	CPU  Device = "cpu"
	CUDA Device = "cuda" // the first GPU that PyTorch finds; without one jobs fail
)

// Options say how the engine finds Python and where it computes.
type Options struct {
	// Python is the interpreter: a path, or a name that PATH has; "" is python3.
	Python string

	// Environment is nbpipe's own, as os.Environ gives it. A few variables of
	// it reach Python: those that find programs, libraries, home and GPUs.
	Environment []string

	// Scratch is the folder for the files of jobs; "" is the system's.
	Scratch string

	Device Device // "" is Auto

	// Threads is how many threads PyTorch computes with on the processor; 0 is
	// one. Sums change with it, so it is part of the version; a job's own
	// number of threads is not looked at.
	Threads int

	// Warn is told what PyTorch warns of; nil for none.
	Warn func(text string)
}

// Engine runs jobs in PyTorch. It starts a process for each.
type Engine struct {
	options Options

	mu    sync.Mutex
	probe *Probe
}

var _ nn.Engine = (*Engine)(nil)

// New returns an engine. It starts nothing yet.
func New(o Options) (*Engine, error) {
	if o.Python == "" {
		o.Python = "python3"
	}
	if o.Device == "" {
		o.Device = Auto
	}
	if devices := []Device{Auto, CPU, CUDA}; !slices.Contains(devices, o.Device) {
		return nil, fmt.Errorf("unknown device %q of engine %s; the devices are %v", o.Device, Name, devices)
	}
	if o.Threads < 0 {
		return nil, fmt.Errorf("%d threads for engine %s; it must be 1 or more, or 0 for one", o.Threads, Name)
	}
	o.Threads = max(o.Threads, 1)
	return &Engine{options: o}, nil
}

// Name is "torch".
func (e *Engine) Name() string { return Name }

// Version names the script, the versions of Python, NumPy and PyTorch, and the
// device: its model, and for a GPU the versions of CUDA, cuDNN and the driver,
// for the processor its instruction set and the number of threads. The number
// of GPUs is not in it: one is used.
func (e *Engine) Version(ctx context.Context) (string, error) {
	p, err := e.Probe(ctx)
	if err != nil {
		return "", err
	}
	digest, err := scriptDigest()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("torch engine %d, script %s, Python %s, PyTorch %s, NumPy %s, %s",
		revision, digest, p.Python, p.Torch, p.NumPy, e.deviceVersion(p)), nil
}

func (e *Engine) deviceVersion(p *Probe) string {
	if e.device(p) == CUDA {
		return fmt.Sprintf("GPU %s, CUDA %s, cuDNN %s, driver %s", p.GPU, p.CUDA, p.CuDNN, p.Driver)
	}
	return fmt.Sprintf("CPU %s, threads %d", p.CPU, e.options.Threads)
}

// device is where jobs run.
func (e *Engine) device(p *Probe) Device {
	if e.options.Device != Auto {
		return e.options.Device
	}
	if p.GPUs > 0 {
		return CUDA
	}
	return CPU
}

// find returns the interpreter's path.
func (e *Engine) find() (string, error) {
	name := e.options.Python
	if strings.ContainsRune(name, filepath.Separator) {
		if executable(name) {
			return name, nil
		}
		return "", &Error{Kind: NoPython, Message: name + " is no program"}
	}
	for _, dir := range filepath.SplitList(e.variable("PATH")) {
		if p := filepath.Join(dir, name); filepath.IsAbs(dir) && executable(p) {
			return p, nil
		}
	}
	return "", &Error{Kind: NoPython, Message: fmt.Sprintf("there is no program %s in PATH (%s)", name, e.variable("PATH"))}
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// passed are the variables of nbpipe's own environment that Python gets.
var passed = []string{
	"HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", // programs and libraries
	"PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "PYENV_ROOT", "PYENV_VERSION", // managers of Pythons, and modules of clusters
	"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", // which GPU is meant
}

func (e *Engine) environment() []string {
	threads := strconv.Itoa(e.options.Threads)
	env := []string{
		"PATH=" + e.variable("PATH"), "LANG=C.UTF-8", "TZ=UTC",
		"PYTHONHASHSEED=0", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1",
		"CUBLAS_WORKSPACE_CONFIG=:4096:8", // without it cuBLAS is not deterministic, and PyTorch refuses it
		"OMP_NUM_THREADS=" + threads, "MKL_NUM_THREADS=" + threads, "OPENBLAS_NUM_THREADS=" + threads,
	}
	for _, name := range passed {
		if v := e.variable(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// defaultPath is used where nbpipe itself has no PATH.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

func (e *Engine) variable(name string) string {
	for _, entry := range slices.Backward(e.options.Environment) { // of two the last one holds
		if k, v, ok := strings.Cut(entry, "="); ok && k == name {
			return v
		}
	}
	if name == "PATH" {
		return defaultPath
	}
	return ""
}

func (e *Engine) warn(text string) {
	if e.options.Warn != nil {
		e.options.Warn(text)
	}
}
