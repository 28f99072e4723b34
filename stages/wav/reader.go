package wav

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Reader reads the samples of a clip.
type Reader struct {
	Rate     int // samples of a channel a second
	Channels int
	Bits     int // of a sample
	Float    bool

	name string
	r    io.Reader
	left int64 // bytes of samples that are to come
	buf  []byte
}

// The format tags.
const (
	tagPCM        = 1
	tagFloat      = 3
	tagExtensible = 0xfffe
)

// untold is the size of a chunk whose writer could not go back to fill it in: it
// ends with the file.
const untold = math.MaxUint32

// NewReader reads to the first sample. name stands in errors.
func NewReader(name string, r io.Reader) (*Reader, error) {
	w := &Reader{name: name, r: r}
	if err := w.header(); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = fmt.Errorf("it ends within its header: %w", io.ErrUnexpectedEOF)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return w, nil
}

func (w *Reader) header() error {
	var riff [12]byte
	if _, err := io.ReadFull(w.r, riff[:]); err != nil {
		return err
	}
	if string(riff[:4]) != "RIFF" || string(riff[8:]) != "WAVE" {
		return fmt.Errorf("it is no WAVE file: it begins with %q", riff[:])
	}
	for {
		var head [8]byte
		if _, err := io.ReadFull(w.r, head[:]); err != nil {
			return err
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		switch string(head[:4]) {
		case "fmt ":
			if err := w.format(size); err != nil {
				return err
			}
		case "data":
			if w.Channels == 0 {
				return errors.New("its samples come before their format")
			}
			if w.left = size; size == untold {
				w.left = math.MaxInt64
			}
			return nil
		default:
			if _, err := io.CopyN(io.Discard, w.r, size+size%2); err != nil { // chunks are padded to 2 bytes
				return err
			}
		}
	}
}

// format reads the chunk that says what samples are.
func (w *Reader) format(size int64) error {
	if size < 16 || size > 1<<10 {
		return fmt.Errorf("its format takes %d bytes", size)
	}
	b := make([]byte, size+size%2)
	if _, err := io.ReadFull(w.r, b); err != nil {
		return err
	}
	tag := binary.LittleEndian.Uint16(b)
	if tag == tagExtensible && size >= 40 {
		tag = binary.LittleEndian.Uint16(b[24:]) // the first field of the sub-format
	}
	w.Channels = int(binary.LittleEndian.Uint16(b[2:]))
	w.Rate = int(binary.LittleEndian.Uint32(b[4:]))
	align := int(binary.LittleEndian.Uint16(b[12:]))
	w.Bits = int(binary.LittleEndian.Uint16(b[14:]))
	w.Float = tag == tagFloat
	known := tag == tagPCM && (w.Bits == 8 || w.Bits == 16 || w.Bits == 24 || w.Bits == 32) || w.Float && (w.Bits == 32 || w.Bits == 64)
	if !known {
		return fmt.Errorf("its samples are of format %d with %d bits; PCM of 8, 16, 24, 32 and floats of 32, 64 can be read: convert it, such as with sox FILE -e signed -b 16 OUT", tag, w.Bits)
	}
	if w.Channels < 1 || w.Rate < 1 || align != w.Channels*w.Bits/8 {
		return fmt.Errorf("its header is damaged: %d channels, rate %d, %d bytes for a sample of %d bits of each", w.Channels, w.Rate, align, w.Bits)
	}
	return nil
}

// Read fills dst with the next samples, those of all channels in turn, and says how
// many there were. At the end it is 0, io.EOF. A file that ends before its header says
// so is an error, with the samples that there are.
func (w *Reader) Read(dst []float32) (int, error) {
	size := w.Bits / 8
	want := int(min(int64(len(dst)), w.left/int64(size))) * size
	if want == 0 && len(dst) > 0 {
		return 0, io.EOF
	}
	if len(w.buf) < want {
		w.buf = make([]byte, want)
	}
	n, err := io.ReadFull(w.r, w.buf[:want])
	w.left -= int64(n)
	for i := range n / size {
		dst[i] = w.sample(w.buf[i*size:])
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = w.ended(n % size)
	}
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%s: %w", w.name, err)
	}
	if n >= size && err == io.EOF {
		err = nil
	}
	return n / size, err
}

// ended is the error of a file that has no more bytes; some is how many it has of a
// sample.
func (w *Reader) ended(some int) error {
	switch {
	case some != 0:
		return fmt.Errorf("it ends within a sample: %w", io.ErrUnexpectedEOF)
	case w.left < math.MaxUint32:
		return fmt.Errorf("it ends %d bytes too early: copy it again: %w", w.left, io.ErrUnexpectedEOF)
	}
	return io.EOF
}

func (w *Reader) sample(b []byte) float32 {
	switch {
	case w.Float && w.Bits == 32:
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	case w.Float:
		return float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	case w.Bits == 8:
		return (float32(b[0]) - 128) / (1 << 7)
	case w.Bits == 16:
		return float32(int16(binary.LittleEndian.Uint16(b))) / (1 << 15)
	case w.Bits == 24:
		v := int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24) >> 8
		return float32(v) / (1 << 23)
	}
	return float32(float64(int32(binary.LittleEndian.Uint32(b))) / (1 << 31))
}

// ReadAll returns the samples that are left. More of them than most are an error.
func (w *Reader) ReadAll(most int) ([]float32, error) {
	var all []float32
	part := make([]float32, min(1<<14, most+1))
	for {
		n, err := w.Read(part)
		all = append(all, part[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if len(all) > most {
			return nil, fmt.Errorf("%s: it has more than %d samples, which is all that may be held", w.name, most)
		}
	}
}
