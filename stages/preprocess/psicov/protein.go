package psicov

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/pickle"
	"github.com/nbpipe/nbpipe/stages/zipindex"
)

// residueFeatures is how many numbers there are of a residue.
const residueFeatures = 3 + 22 + 1 + 1

func pairFeatures() []string { return []string{"ccmpred", "freecon", "potential"} }

const mostResidues = 4096

// features are a protein's inputs.
type features struct {
	length   int
	sequence []float32 // (length, residueFeatures)
	maps     []float32 // (length, length, 3)
}

// readFeatures reads features/ID.pkl, a pickled dict of arrays.
func readFeatures(archive *zipindex.Index, n name) (*features, error) {
	r, err := open(archive, n.folder+"/features/"+n.id+".pkl")
	if err != nil {
		return nil, err
	}
	root, err := pickle.Decode(r, pickle.Options{})
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // to the checksum
		return nil, err
	}
	d, ok := root.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("they are %s, and a dict is needed", pickle.Describe(root))
	}
	f := &features{}
	if f.length, err = residues(d); err != nil {
		return nil, err
	}
	return f, f.read(d)
}

// residues is the length of the sequence.
func residues(d *pickle.Dict) (int, error) {
	seq, _ := d.Get("seq")
	n := int64(-1)
	switch s := seq.(type) {
	case string:
		n = int64(len([]rune(s)))
	case *pickle.Bytes:
		n = s.Len()
	case *pickle.Array:
		n = s.Count()
	default:
		if items, ok := pickle.Sequence(seq); ok {
			n = int64(len(items))
		}
	}
	if n < 2 || n > mostResidues {
		return 0, fmt.Errorf("seq is %s of %d residues; from 2 to %d are possible", pickle.Describe(seq), max(n, 0), mostResidues)
	}
	return int(n), nil
}

func (f *features) read(d *pickle.Dict) error {
	l := f.length
	f.sequence = make([]float32, l*residueFeatures)
	at := 0
	for _, a := range []struct {
		key         string
		shape       []int
		count       int // features of a residue
		residueStep int // elements from a residue to the next
		step        int // elements from a feature to the next
	}{{"ss", []int{3, l}, 3, 1, l}, {"pssm", []int{l, 22}, 22, 22, 1}, {"sa", []int{l}, 1, 1, 0}, {"entropy", []int{l}, 1, 1, 0}} {
		values, err := array(d, a.key, a.shape)
		if err != nil {
			return err
		}
		for i := range l {
			for k := range a.count {
				f.sequence[i*residueFeatures+at+k] = values[i*a.residueStep+k*a.step]
			}
		}
		at += a.count
	}
	keys := pairFeatures()
	f.maps = make([]float32, l*l*len(keys))
	for k, key := range keys {
		values, err := array(d, key, []int{l, l})
		if err != nil {
			return err
		}
		for i, v := range values {
			f.maps[i*len(keys)+k] = v
		}
	}
	return nil
}

// array reads an array of a shape in C order. What is no number is 0; texts, as which
// PDNET's scripts keep entropies, are read as numbers.
func array(d *pickle.Dict, key string, shape []int) ([]float32, error) {
	found, ok := d.Get(key)
	if !ok {
		return nil, fmt.Errorf("there is no %q", key)
	}
	a, ok := found.(*pickle.Array)
	if !ok || !slices.Equal(a.Shape, shape) {
		if ok {
			return nil, fmt.Errorf("%s has shape %v, and %v is needed", key, a.Shape, shape)
		}
		return nil, fmt.Errorf("%s is %s, and an array is needed", key, pickle.Describe(found))
	}
	values, err := numbers(a, key)
	if err != nil {
		return nil, err
	}
	for i, v := range values {
		if v != v {
			values[i] = 0
		} else if math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("%s: element %d is infinite", key, i)
		}
	}
	return values, nil
}

func numbers(a *pickle.Array, key string) ([]float32, error) {
	if a.Code != 'U' && a.Code != 'S' {
		r, err := a.Numbers(key)
		if err != nil {
			return nil, err
		}
		return npy.ReadAll[float32](r, 4*mostResidues*mostResidues)
	}
	items, err := a.Elements()
	if err != nil {
		return nil, err
	}
	if len(a.Shape) > 1 {
		return nil, fmt.Errorf("%s holds texts", key)
	}
	out := make([]float32, len(items))
	for i, v := range items {
		text, _ := v.(string)
		x, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return nil, fmt.Errorf("%s: element %d is %q", key, i, text)
		}
		out[i] = float32(x)
	}
	return out, nil
}

// readDistances reads distance/ID-cb.npy: an array of three objects, the length, the
// sequence and the distances.
func readDistances(archive *zipindex.Index, n name, length int) ([]float32, error) {
	path := n.folder + "/distance/" + n.id + "-cb.npy"
	r, err := open(archive, path)
	if err != nil {
		return nil, err
	}
	three, err := pickle.DecodeNpy(path, r, pickle.Options{})
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // to the checksum
		return nil, err
	}
	if len(three.Objects) != 3 {
		return nil, fmt.Errorf("%d objects, and length, sequence and distances are needed", len(three.Objects))
	}
	a, ok := three.Objects[2].(*pickle.Array)
	if !ok || !slices.Equal(a.Shape, []int{length, length}) {
		return nil, fmt.Errorf("the third object is %s, and an array of shape [%d %d] is needed", pickle.Describe(three.Objects[2]), length, length)
	}
	out, err := numbers(a, "distances")
	if err != nil {
		return nil, err
	}
	return out, distances(out, length)
}

// distances bounds them and fills the diagonal, as PDNET's get_map does, and clips them
// as NAS-Bench-360's loader does.
func distances(y []float32, l int) error {
	for i, v := range y {
		if v != v || math.IsInf(float64(v), 0) {
			return fmt.Errorf("residues %d and %d are %v apart", i/l, i%l, v)
		}
		y[i] = max(v, 1)
	}
	y[0], y[l*l-1] = y[1], y[l*l-2]
	for i := 1; i < l-1; i++ {
		y[i*l+i] = (y[i*l+i-1] + y[i*l+i+1]) / 2
	}
	for i, v := range y {
		y[i] = min(v, clip)
	}
	return nil
}
