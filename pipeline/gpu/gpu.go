package gpu

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/nbpipe/nbpipe/stages/command"
)

// Device is a GPU.
type Device struct {
	ID     string // as CUDA_VISIBLE_DEVICES has it: mostly nvidia-smi's number
	UUID   string // "" where nvidia-smi does not list it
	Model  string // such as "NVIDIA A100-SXM4-80GB"; "" where it is not known
	Driver string
	Memory int64 // bytes; 0 where it is not known
}

// Variable is what says to programs which GPUs are theirs.
const Variable = "CUDA_VISIBLE_DEVICES"

// Order makes CUDA number GPUs as nvidia-smi does, and not the fastest first.
const Order = "CUDA_DEVICE_ORDER=PCI_BUS_ID"

const (
	program = "nvidia-smi"
	// patience is how long it may take: a driver that loads for the first time needs
	// some seconds, one that hangs answers never.
	patience  = 10 * time.Second
	maxOutput = 1 << 20
	most      = 1024 // GPUs
)

// Find lists the GPUs that nbpipe may use. Environ is nbpipe's environment, as
// os.Environ gives it. A machine without nvidia-smi has those that
// CUDA_VISIBLE_DEVICES names, else none; that nvidia-smi fails is an error.
func Find(ctx context.Context, environ []string) ([]Device, error) {
	visible, named := variable(environ, Variable)
	if named && visible == "" {
		return nil, nil
	}
	all, err := ask(ctx, environ)
	if named {
		return choose(all, visible), nil // names will do where nobody can say more
	}
	return all, err
}

func ask(ctx context.Context, environ []string) ([]Device, error) {
	path, err := command.LookPath(program, environ)
	if err != nil {
		return nil, nil //nolint:nilerr // no such program: no such GPUs
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := exec.CommandContext(ctx, path, "--query-gpu=index,uuid,name,driver_version,memory.total", "--format=csv,noheader,nounits")
	var out, problem limited
	c.Env, c.Stdout, c.Stderr, c.WaitDelay = environ, &out, &problem, time.Second
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("it did not answer in %s", patience)
		}
		return nil, fmt.Errorf("%s: %w%s", program, err, said(out.Bytes(), problem.Bytes()))
	}
	return parse(out.Bytes())
}

// limited keeps the beginning of what a program prints.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.Buffer.Write(p[:min(len(p), maxOutput-l.Len())])
	return len(p), nil
}

// said is a program's last word: nvidia-smi tells of problems on its standard output.
func said(texts ...[]byte) string {
	for _, t := range texts {
		line, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(string(t), "?")), "\n")
		if line != "" {
			return ": " + line[:min(len(line), 300)]
		}
	}
	return ""
}

// parse reads lines of "index, uuid, name, driver_version, memory.total in MiB".
func parse(b []byte) ([]Device, error) {
	r := csv.NewReader(bytes.NewReader(b))
	r.TrimLeadingSpace, r.FieldsPerRecord, r.LazyQuotes = true, 5, true
	lines, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s says something else than a list of GPUs: %w", program, err)
	}
	if len(lines) > most {
		return nil, fmt.Errorf("%s lists %d GPUs, and %d are the most", program, len(lines), most)
	}
	var out []Device
	for _, f := range lines {
		if n, err := strconv.Atoi(f[0]); err != nil || n < 0 {
			return nil, fmt.Errorf("%s says something else than a list of GPUs: %q is no number", program, f[0])
		}
		d := Device{ID: f[0], UUID: f[1], Model: f[2], Driver: f[3]}
		if mib, err := strconv.ParseInt(f[4], 10, 40); err == nil && mib > 0 { // "[N/A]" on some
			d.Memory = mib << 20
		}
		out = append(out, d)
	}
	return out, nil
}

// choose keeps those that CUDA_VISIBLE_DEVICES names, in its order. As in CUDA, the
// first name that means none ends the list.
func choose(all []Device, visible string) []Device {
	var out []Device
	for _, name := range strings.Split(visible, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(all, func(d Device) bool {
			return d.ID == name || strings.HasPrefix(name, "GPU-") && strings.HasPrefix(d.UUID, name)
		})
		switch number, err := strconv.Atoi(name); {
		case i >= 0 && slices.Contains(out, all[i]):
			return out // named twice
		case i >= 0:
			out = append(out, all[i])
		case strings.HasPrefix(name, "MIG-"), all == nil && err == nil && number >= 0, all == nil && strings.HasPrefix(name, "GPU-"):
			out = append(out, Device{ID: name}) // a part of a GPU, or nobody to list them
		default:
			return out
		}
		if len(out) == most {
			return out
		}
	}
	return out
}

func variable(environ []string, name string) (string, bool) {
	for _, e := range slices.Backward(environ) { // of two the last one holds
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

// Exactly completes a list to n GPUs of which nothing is known, and cuts off what is
// over: for users who say how many there are.
func Exactly(found []Device, n int) []Device {
	out := slices.Clone(found[:min(n, len(found))])
	for number := 0; len(out) < n; number++ {
		id := strconv.Itoa(number)
		if !slices.ContainsFunc(out, func(d Device) bool { return d.ID == id }) {
			out = append(out, Device{ID: id})
		}
	}
	return out
}

// Is reports whether the GPU is of a model: whether its words stand in the name that
// nvidia-smi gives, one after the other, in whatever case. "A100" is "NVIDIA
// A100-SXM4-80GB"; "A10" is not.
func (d Device) Is(model string) bool {
	asked, have := words(model), words(d.Model)
	if len(asked) == 0 {
		return false
	}
	for i := 0; i+len(asked) <= len(have); i++ {
		if slices.Equal(have[i:i+len(asked)], asked) {
			return true
		}
	}
	return false
}

func words(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// Fitting are those of a model; all where none is asked for.
func Fitting(all []Device, model string) []Device {
	if model == "" {
		return all
	}
	var out []Device
	for _, d := range all {
		if d.Is(model) {
			out = append(out, d)
		}
	}
	return out
}

// Check says why count GPUs of a model cannot be had of all; nil if they can. Model
// "" is any.
func Check(all []Device, count int, model string) error {
	switch fit := len(Fitting(all, model)); {
	case fit >= count:
		return nil
	case model == "":
		return fmt.Errorf("it asks for %d GPUs and this machine has %d", count, len(all))
	case len(all) == 0:
		return fmt.Errorf("it asks for a GPU of model %s and this machine has none", model)
	default:
		return fmt.Errorf("it asks for %d of model %s (gpu_model), and of this machine's GPUs %d are: there are %s", count, model, fit, Models(all))
	}
}

// Models counts GPUs by model: "2 x NVIDIA H100 80GB HBM3, Tesla T4".
func Models(all []Device) string {
	count := map[string]int{}
	var order, out []string
	for _, d := range all {
		name := d.Model
		if name == "" {
			name = "of a model that is not known"
		}
		if count[name]++; count[name] == 1 {
			order = append(order, name)
		}
	}
	for _, name := range order {
		if count[name] > 1 {
			name = fmt.Sprintf("%d x %s", count[name], name)
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// Environment is environ with variables that leave devices to a program.
func Environment(environ []string, devices []Device) []string {
	return append(slices.Clone(environ), Variable+"="+strings.Join(IDs(devices), ","), Order)
}

// IDs are the names of devices.
func IDs(devices []Device) []string {
	var out []string
	for _, d := range devices {
		out = append(out, d.ID)
	}
	return out
}

// Facts describe devices for a run's record: models and drivers.
func Facts(devices []Device) map[string]string {
	out := map[string]string{}
	add := func(name, v string) {
		if v != "" && !slices.Contains(strings.Split(out[name], ", "), v) {
			out[name] = strings.TrimPrefix(out[name]+", "+v, ", ")
		}
	}
	for _, d := range devices {
		add("machine.gpu", d.Model)
		add("machine.gpu_driver", d.Driver)
	}
	return out
}
