package nn

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// Checkpoint is the state of a training after an epoch: all that the rest of
// the training depends on, since batches are drawn from the seed and the epoch.
type Checkpoint struct {
	Job      string         // Job.Digest of the training
	Epochs   []EpochMetrics // of the epochs that are done
	Weights  Weights        // parameters and buffers
	Velocity Weights        // of the optimiser, by parameter
}

const velocityPrefix = "velocity/"

// Save writes the checkpoint so that a reader, or a later run, sees the old one
// or the new one and nothing between.
func (c *Checkpoint) Save(path string, precision Precision) error {
	history, err := json.Marshal(c.Epochs)
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	all := make(Weights, len(c.Weights)+len(c.Velocity))
	for name, t := range c.Weights {
		all[name] = t
	}
	for name, t := range c.Velocity {
		all[velocityPrefix+name] = t
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".checkpoint-*")
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer os.Remove(temp.Name())
	defer temp.Close()
	if err := WriteTensors(temp, all, precision, map[string]string{"job": c.Job, "epochs": string(history)}); err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	if err := temp.Sync(); err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	if err := temp.Close(); err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	return os.Rename(temp.Name(), path)
}

// ReadCheckpoint reads the tensors of a job's checkpoint, and the figures of its
// epochs as JSON. There are no tensors and no error when there is no checkpoint, or
// one of another job: the training then starts from the beginning. A file that
// cannot be read is an error.
func ReadCheckpoint(path, job string) (all Weights, epochs []byte, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("checkpoint: %w", err)
	}
	defer f.Close()
	all, metadata, err := ReadTensors(f)
	if err != nil {
		return nil, nil, fmt.Errorf("checkpoint %s: %w; remove it to start from the beginning", path, err)
	}
	if metadata["job"] != job {
		return nil, nil, nil
	}
	return all, []byte(metadata["epochs"]), nil
}

// LoadCheckpoint reads the checkpoint of a job in the form of Checkpoint. It
// returns nil without an error where ReadCheckpoint finds none.
func LoadCheckpoint(path, job string, n *Network) (*Checkpoint, error) {
	all, epochs, err := ReadCheckpoint(path, job)
	if all == nil || err != nil {
		return nil, err
	}
	c := &Checkpoint{Job: job, Weights: Weights{}, Velocity: Weights{}}
	if err := json.Unmarshal(epochs, &c.Epochs); err != nil {
		return nil, fmt.Errorf("checkpoint %s: its epochs: %w; remove it to start from the beginning", path, err)
	}
	for name, t := range all {
		if rest, ok := strings.CutPrefix(name, velocityPrefix); ok {
			c.Velocity[rest] = t
		} else {
			c.Weights[name] = t
		}
	}
	if err := c.Weights.Check(n); err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w; remove it to start from the beginning", path, err)
	}
	return c, nil
}

// Digest names a job and the engine's version: everything that the bits of its
// result depend on. Hooks, the path of the checkpoint and the number of
// threads are not among it.
func (j *Job) Digest(engine string) (string, error) {
	h := sha256.New()
	text, err := json.Marshal(struct {
		Engine  string
		Network *Network
		Recipe  *Recipe
		Seed    uint64
	}{engine, j.Network, &j.Recipe, j.Seed})
	if err != nil {
		return "", err
	}
	h.Write(text)
	for _, d := range []*Dataset{j.Train, j.Valid} {
		hashDataset(h, d)
	}
	if j.Decoding != nil {
		hashFloat64s(h, j.Decoding.Scale)
		hashFloat64s(h, j.Decoding.Shift)
	}
	for _, name := range sortedNames(j.Weights) {
		fmt.Fprintf(h, "%q", name)
		hashFloat64s(h, j.Weights[name].Data)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hashDataset(h hash.Hash, d *Dataset) {
	if d == nil {
		fmt.Fprint(h, "none")
		return
	}
	hashArray(h, d.Inputs)
	hashArray(h, d.Targets)
	fmt.Fprintf(h, "%v", d.Labels)
	hashBesides(h, d)
}

// hashBesides is for what most data have not: those that have none of it keep the
// digests of their checkpoints.
func hashBesides(h hash.Hash, d *Dataset) {
	if d.Standard != nil {
		fmt.Fprint(h, "constant")
		hashFloat64s(h, d.Standard.Mean)
		hashFloat64s(h, d.Standard.Std)
	}
	for _, a := range []Array{d.Counts, d.Noise} {
		if a.Shape != nil {
			hashArray(h, a)
		}
	}
	if d.Records != nil {
		fmt.Fprintf(h, "records%v", d.Records)
	}
	if d.Levels != nil {
		hashArray(h, Array{Shape: []int{len(d.Levels)}, Data: d.Levels})
	}
	if p := d.Pairs; p != nil {
		fmt.Fprintf(h, "pairs%v %v %d %d %x", p.Lengths, p.Windows, p.Padding, p.Side, math.Float32bits(p.Outside))
		for _, a := range []Array{p.Sequence, p.Maps, p.Targets} {
			hashArray(h, a)
		}
	}
}

func hashArray(h hash.Hash, a Array) {
	fmt.Fprintf(h, "%v", a.Shape)
	if f := a.Files; f != nil {
		fmt.Fprintf(h, "files %q %v %v", f.Digest, f.Axes, f.Rows)
	}
	buf := make([]byte, 0, 1<<12)
	for i, v := range a.Data {
		buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		if len(buf) == cap(buf) || i == len(a.Data)-1 {
			h.Write(buf)
			buf = buf[:0]
		}
	}
}

func hashFloat64s(h hash.Hash, data []float64) {
	buf := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	for _, v := range data {
		buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(v))
	}
	h.Write(buf)
}
