package nn

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
)

// Limits of a tensors file: a header of the largest network's size, and sides
// whose product does not overflow.
const maxTensorsHeader = 64 << 20

// tensorEntry is one tensor in the header of the safetensors format.
type tensorEntry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// WriteTensors writes weights in the safetensors format: the header's length
// as a little-endian uint64, the header as JSON, the data. Names are sorted, so
// that equal weights have equal bytes. Float64 data are written as F64, else
// as F32, which is exact for what a float32 training gives. Metadata may be
// nil.
func WriteTensors(to io.Writer, w Weights, precision Precision, metadata map[string]string) error {
	dtype, size := "F32", int64(4)
	if precision == Float64 {
		dtype, size = "F64", 8
	}
	names := sortedNames(w)
	header := make(map[string]any, len(w)+1)
	var at int64
	for _, name := range names {
		end := at + size*int64(len(w[name].Data))
		header[name] = tensorEntry{DType: dtype, Shape: append([]int{}, w[name].Shape...), Offsets: [2]int64{at, end}}
		at = end
	}
	if len(metadata) > 0 {
		header["__metadata__"] = metadata
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	text = append(text, bytes.Repeat([]byte{' '}, (8-len(text)%8)%8)...) // readers want the data aligned
	out := bufio.NewWriterSize(to, 1<<16)
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], uint64(len(text)))
	out.Write(word[:]) //nolint:errcheck // Flush reports it
	out.Write(text)    //nolint:errcheck // Flush reports it
	for _, name := range names {
		for _, v := range w[name].Data {
			if size == 8 {
				binary.LittleEndian.PutUint64(word[:], math.Float64bits(v))
			} else {
				binary.LittleEndian.PutUint32(word[:], math.Float32bits(float32(v)))
			}
			out.Write(word[:size]) //nolint:errcheck // Flush reports it
		}
	}
	return out.Flush()
}

// ReadTensors reads the F32 and F64 tensors of a safetensors file and its
// metadata. It never reads beyond what the header declares, and allocates no
// more than the file holds.
func ReadTensors(from io.Reader) (Weights, map[string]string, error) {
	in := bufio.NewReaderSize(from, 1<<16)
	var word [8]byte
	if _, err := io.ReadFull(in, word[:]); err != nil {
		return nil, nil, fmt.Errorf("tensors file: its first 8 bytes: %w", err)
	}
	length := binary.LittleEndian.Uint64(word[:])
	if length > maxTensorsHeader {
		return nil, nil, fmt.Errorf("tensors file: a header of %d bytes; this is no safetensors file", length)
	}
	text, err := io.ReadAll(io.LimitReader(in, int64(length)))
	if err != nil || uint64(len(text)) != length {
		return nil, nil, fmt.Errorf("tensors file: it ends within its header")
	}
	entries, metadata, err := tensorsHeader(text)
	if err != nil {
		return nil, nil, fmt.Errorf("tensors file: %w", err)
	}
	w := make(Weights, len(entries))
	var at int64
	for _, e := range entries {
		if e.Offsets[0] != at {
			return nil, nil, fmt.Errorf("tensors file: %q starts at byte %d, not at %d where the one before ends", e.name, e.Offsets[0], at)
		}
		at = e.Offsets[1]
		data, err := readTensor(in, e)
		if err != nil {
			return nil, nil, fmt.Errorf("tensors file: %q: %w", e.name, err)
		}
		w[e.name] = Tensor{Shape: e.Shape, Data: data}
	}
	return w, metadata, nil
}

type namedEntry struct {
	name string
	tensorEntry
}

func tensorsHeader(text []byte) ([]namedEntry, map[string]string, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, nil, fmt.Errorf("its header: %w", err)
	}
	var metadata map[string]string
	entries := make([]namedEntry, 0, len(raw))
	for name, part := range raw {
		if name == "__metadata__" {
			if err := json.Unmarshal(part, &metadata); err != nil {
				return nil, nil, fmt.Errorf("its metadata: %w", err)
			}
			continue
		}
		e := namedEntry{name: name}
		if err := json.Unmarshal(part, &e.tensorEntry); err != nil {
			return nil, nil, fmt.Errorf("%q: %w", name, err)
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b namedEntry) int {
		if c := int(min(max(a.Offsets[0]-b.Offsets[0], -1), 1)); c != 0 {
			return c
		}
		return int(min(max(a.Offsets[1]-b.Offsets[1], -1), 1))
	})
	return entries, metadata, nil
}

func readTensor(in io.Reader, e namedEntry) ([]float64, error) {
	size := map[string]int64{"F32": 4, "F64": 8}[e.DType]
	if size == 0 {
		return nil, fmt.Errorf("type %q; F32 and F64 are read", e.DType)
	}
	count := int64(1)
	for _, d := range e.Shape {
		if d < 1 || d > maxSide || count > maxElement/int64(d) {
			return nil, fmt.Errorf("shape %v", e.Shape)
		}
		count *= int64(d)
	}
	if e.Offsets[1]-e.Offsets[0] != count*size {
		return nil, fmt.Errorf("%d bytes for shape %v of %s", e.Offsets[1]-e.Offsets[0], e.Shape, e.DType)
	}
	data := make([]float64, 0, min(count, 1<<16))
	var word [8]byte
	for range count {
		if _, err := io.ReadFull(in, word[:size]); err != nil {
			return nil, fmt.Errorf("the file ends within it")
		}
		if size == 8 {
			data = append(data, math.Float64frombits(binary.LittleEndian.Uint64(word[:])))
		} else {
			data = append(data, float64(math.Float32frombits(binary.LittleEndian.Uint32(word[:]))))
		}
	}
	return data, nil
}

func sortedNames(w Weights) []string {
	names := make([]string, 0, len(w))
	for name := range w {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
