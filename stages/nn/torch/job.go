package torch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
)

// spec is a job as the script reads it.
type spec struct {
	Mode      string        `json:"mode"` // train, evaluate, gradients, supernet
	Device    Device        `json:"device"`
	Threads   int           `json:"threads"`
	Precision nn.Precision  `json:"precision"`
	Network   *networkSpec  `json:"network,omitempty"`
	Weights   string        `json:"weights,omitempty"`
	Decoding  *decodingSpec `json:"decoding,omitempty"`
	Result    string        `json:"result"` // where the script writes tensors

	Recipe     *nn.Recipe `json:"recipe,omitempty"` // train
	Train      *dataSpec  `json:"train,omitempty"`  // train
	Valid      *dataSpec  `json:"valid,omitempty"`  // train, supernet
	Job        string     `json:"job,omitempty"`    // train: nn.Job.Digest
	Checkpoint string     `json:"checkpoint,omitempty"`
	Resume     bool       `json:"resume,omitempty"` // from the checkpoint

	Data      *dataSpec `json:"data,omitempty"` // evaluate, gradients
	Loss      nn.Loss   `json:"loss,omitempty"`
	Metric    nn.Metric `json:"metric,omitempty"`
	BatchSize int       `json:"batch_size,omitempty"`
	Outputs   string    `json:"outputs,omitempty"` // evaluate: where the script writes them as .npy
	Inputs    bool      `json:"inputs,omitempty"`  // gradients
	Products  []string  `json:"products"`          // gradients

	Supernet *supernetSpec `json:"supernet,omitempty"`
}

type networkSpec struct {
	Parameters  []string          `json:"parameters"`
	Buffers     []string          `json:"buffers"`
	Nodes       []nodeSpec        `json:"nodes"` // live ones, in order
	Output      string            `json:"output"`
	OutputShape []int             `json:"output_shape"`
	Dropouts    []string          `json:"dropouts"` // nodes in the order in which keys come
	Keys        map[string][2]int `json:"keys,omitempty"`
}

// nodeSpec is a node with its shape, and all its attributes: the script has no
// defaults.
type nodeSpec struct {
	nn.Node
	Padding nn.Padding `json:"padding"` // there where it is zero, too
	Shape   []int      `json:"shape"`
	Edge    int        `json:"edge"` // opMixture
}

type decodingSpec struct {
	Scale []float64 `json:"scale"`
	Shift []float64 `json:"shift"`
}

type dataSpec struct {
	Inputs   *arraySpec          `json:"inputs,omitempty"`
	Targets  *arraySpec          `json:"targets,omitempty"`
	Labels   *arraySpec          `json:"labels,omitempty"`
	Counts   *arraySpec          `json:"counts,omitempty"`
	Levels   *arraySpec          `json:"levels,omitempty"`
	Noise    *arraySpec          `json:"noise,omitempty"`
	Standard *nn.Standardisation `json:"standard,omitempty"`
	Pairs    *pairsSpec          `json:"pairs,omitempty"`
}

type pairsSpec struct {
	Lengths  []int      `json:"lengths"`
	Sequence *arraySpec `json:"sequence"`
	Maps     *arraySpec `json:"maps"`
	Targets  *arraySpec `json:"targets"`
	Windows  *arraySpec `json:"windows"` // record, first row, first column
	Padding  int        `json:"padding"`
	Side     int        `json:"side"`
	Outside  float32    `json:"outside"`
}

type arraySpec struct {
	Path  string    `json:"path,omitempty"`
	Files *nn.Files `json:"files,omitempty"` // instead of path
	Shape []int     `json:"shape"`
}

// job is a folder with the files of one run of the script.
type job struct {
	engine *Engine
	folder string
	spec   spec
}

// newJob makes the folder, and looks for the device.
func (e *Engine) newJob(ctx context.Context, mode string) (*job, error) {
	p, err := e.Probe(ctx)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(e.options.Scratch, "torch-*")
	if err != nil {
		return nil, fmt.Errorf("a folder for the job of engine %s: %w", Name, err)
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return nil, err
	}
	j := &job{engine: e, folder: folder}
	j.spec = spec{Mode: mode, Device: e.device(p), Threads: e.options.Threads, Result: j.path("result.safetensors"), Products: []string{}}
	if err := writeScript(folder); err != nil {
		j.remove()
		return nil, err
	}
	return j, nil
}

func (j *job) path(name string) string { return filepath.Join(j.folder, name) }

// remove takes all files away.
func (j *job) remove() { os.RemoveAll(j.folder) }

// run writes the job's description and runs the script to its end.
func (j *job) run(ctx context.Context, handle func(*message, *child) error) error {
	text, err := json.Marshal(&j.spec)
	if err != nil {
		return err
	}
	if err := os.WriteFile(j.path("job.json"), text, 0o644); err != nil {
		return err
	}
	c, err := j.engine.command("-B", j.path(scriptMain), j.path("job.json"))
	if err != nil {
		return err
	}
	c.cmd.Dir = j.folder
	done := false
	err = c.run(ctx, func(m *message, c *child) error {
		if m.Type == "done" {
			done = true
			return nil
		}
		if handle == nil {
			return unexpected(m)
		}
		return handle(m, c)
	})
	if err != nil {
		return err
	}
	if !done {
		return &Error{Kind: Died, Message: "Python ended before the job was done", Detail: c.errors.String()}
	}
	return nil
}

// result reads the tensors that the script wrote.
func (j *job) result() (nn.Weights, error) {
	f, err := os.Open(j.spec.Result)
	if err != nil {
		return nil, fmt.Errorf("the result of engine %s: %w", Name, err)
	}
	defer f.Close()
	w, _, err := nn.ReadTensors(f)
	if err != nil {
		return nil, fmt.Errorf("the result of engine %s: %w", Name, err)
	}
	return w, nil
}

// network puts a network with its weights and decoding into the description.
func (j *job) network(n *nn.Network, w nn.Weights, d *nn.Decoding, precision nn.Precision) error {
	shapes, err := n.Shapes()
	if err != nil {
		return err
	}
	s := &networkSpec{Parameters: names(n.Parameters), Buffers: names(n.Buffers), Output: n.Output, OutputShape: shapes[n.Output].Dims(), Dropouts: []string{}}
	for _, node := range n.Live() {
		s.Nodes = append(s.Nodes, nodeSpec{Node: node, Padding: node.Padding, Shape: shapes[node.Name].Dims()})
		if node.Op == nn.OpDropout && node.Rate > 0 {
			s.Dropouts = append(s.Dropouts, node.Name)
		}
	}
	j.spec.Network, j.spec.Precision = s, precision
	if d != nil {
		j.spec.Decoding = &decodingSpec{Scale: d.Scale, Shift: d.Shift}
	}
	j.spec.Weights = j.path("weights.safetensors")
	return j.write("weights.safetensors", func(to io.Writer) error { return nn.WriteTensors(to, w, precision, nil) })
}

func names(list []nn.Parameter) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.Name
	}
	return out
}

// data puts a data set into files, arrays that have some excepted.
func (j *job) data(name string, d *nn.Dataset, loss nn.Loss) (*dataSpec, error) {
	if d.Pairs != nil {
		p, err := j.pairs(name, d.Pairs)
		return &dataSpec{Pairs: p}, err
	}
	s := &dataSpec{Standard: d.Standard}
	arrays := []placed{{&s.Inputs, "inputs", d.Inputs}, {&s.Noise, "noise", d.Noise}}
	if d.Levels != nil {
		arrays = append(arrays, placed{&s.Levels, "levels", nn.Array{Shape: []int{len(d.Levels)}, Data: d.Levels}})
	}
	if loss != nn.SumOutputs && loss != nn.CrossEntropy {
		arrays = append(arrays, placed{&s.Targets, "targets", d.Targets}, placed{&s.Counts, "counts", d.Counts})
	}
	err := j.place(name, arrays)
	if err == nil && loss == nn.CrossEntropy {
		s.Labels, err = j.integers(name+"-labels.npy", []int{len(d.Labels)}, d.Labels)
	}
	return s, err
}

// placed is an array with its name and where its description goes.
type placed struct {
	to   **arraySpec
	name string
	from nn.Array
}

func (j *job) place(name string, arrays []placed) error {
	for _, a := range arrays {
		if a.from.Shape == nil {
			continue
		}
		var err error
		if *a.to, err = j.array(name+"-"+a.name+".npy", a.from); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) pairs(name string, p *nn.Pairs) (*pairsSpec, error) {
	s := &pairsSpec{Lengths: p.Lengths, Padding: p.Padding, Side: p.Side, Outside: p.Outside}
	if err := j.place(name, []placed{{&s.Sequence, "sequence", p.Sequence}, {&s.Maps, "maps", p.Maps}, {&s.Targets, "targets", p.Targets}}); err != nil {
		return nil, err
	}
	var windows []int32
	for _, w := range p.Windows {
		windows = append(windows, int32(w.Record), int32(w.Y), int32(w.X))
	}
	var err error
	s.Windows, err = j.integers(name+"-windows.npy", []int{len(p.Windows), 3}, windows)
	return s, err
}

func (j *job) integers(name string, shape []int, values []int32) (*arraySpec, error) {
	return &arraySpec{Path: j.path(name), Shape: shape}, j.write(name, func(to io.Writer) error {
		return npy.Write(to, npy.Header{Type: npy.Int32, Shape: shape}, values)
	})
}

func (j *job) array(name string, a nn.Array) (*arraySpec, error) {
	if a.Files != nil {
		return &arraySpec{Files: a.Files, Shape: a.Shape}, nil
	}
	if a.Path != "" {
		path, err := filepath.Abs(a.Path)
		return &arraySpec{Path: path, Shape: a.Shape}, err
	}
	return &arraySpec{Path: j.path(name), Shape: a.Shape}, j.write(name, func(to io.Writer) error { return npy.Write(to, npy.Header{Type: npy.Float32, Shape: a.Shape}, a.Data) })
}

func (j *job) write(name string, content func(io.Writer) error) error {
	f, err := os.Create(j.path(name))
	if err != nil {
		return err
	}
	return errors.Join(content(f), f.Close())
}

// schedule writes the batches of an epoch, one row a sample: its index; with
// changes dy, dx, flip, cut_y, cut_x; with changes of values the numbers of nn.Sound
// in their order, floats by their bits.
func (j *job) schedule(name string, batches []nn.Batch) error {
	width := 1
	if len(batches) > 0 && len(batches[0].Changes) > 0 {
		width = 6
	}
	for _, b := range batches {
		for _, c := range b.Changes {
			if c.Sound != (nn.Sound{}) {
				width = 6 + len(soundRow(c.Sound))
			}
		}
	}
	var rows []int32
	for _, b := range batches {
		for i, index := range b.Indices {
			rows = append(rows, index)
			if width == 1 {
				continue
			}
			c := b.Changes[i]
			flip := int32(0)
			if c.Flip {
				flip = 1
			}
			rows = append(rows, c.DY, c.DX, flip, c.CutY, c.CutX)
			if width > 6 {
				rows = append(rows, soundRow(c.Sound)...)
			}
		}
	}
	return j.write(name, func(to io.Writer) error {
		return npy.Write(to, npy.Header{Type: npy.Int32, Shape: []int{len(rows) / width, width}}, rows)
	})
}

func soundRow(s nn.Sound) []int32 {
	row := []int32{int32(math.Float32bits(s.Level))}
	for _, m := range s.Masks {
		row = append(row, m.Y, m.Height, m.X, m.Width)
	}
	row = append(row, s.Noise, int32(math.Float32bits(s.Share)))
	for _, m := range s.NoiseMasks {
		row = append(row, m.Y, m.Height, m.X, m.Width)
	}
	return row
}

// dropoutKeys writes the keys of an epoch's steps: (steps, nodes, 2).
func (j *job) dropoutKeys(name string, seed uint64, first, steps int) error {
	nodes := j.spec.Network.Dropouts
	keys := make([]int32, 0, steps*len(nodes)*2)
	for step := range steps {
		for _, node := range nodes {
			k := nn.NewDropoutKey(seed, node, first+step)
			keys = append(keys, int32(k[0]), int32(k[1]))
		}
	}
	return j.write(name, func(to io.Writer) error {
		return npy.Write(to, npy.Header{Type: npy.Int32, Shape: []int{steps, len(nodes), 2}}, keys)
	})
}

// part takes the tensors whose name has a prefix.
func part(w nn.Weights, prefix string) nn.Weights {
	out := nn.Weights{}
	for name, t := range w {
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			out[name[len(prefix):]] = t
		}
	}
	return out
}

// scalar is the one number of a tensor.
func scalar(w nn.Weights, name string) (float64, error) {
	t, ok := w[name]
	if !ok || len(t.Data) != 1 {
		return 0, fmt.Errorf("the result of engine %s has no number %q", Name, name)
	}
	return t.Data[0], nil
}

// clone keeps what a caller gave from being shared with what is given back.
func clone(t nn.Tensor) nn.Tensor {
	return nn.Tensor{Shape: slices.Clone(t.Shape), Data: slices.Clone(t.Data)}
}
