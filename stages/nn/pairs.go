package nn

import (
	"fmt"
	"slices"
)

// Pairs are square maps, of another side for each record, that networks see through
// windows: dataset.json's pairs (stages/training) say how inputs are put together.
type Pairs struct {
	Lengths  []int // of each record: L
	Sequence Array // (sum of L, features)
	Maps     Array // (sum of L x L, maps)
	Targets  Array // (sum of L x L, 1)
	Padding  int   // pixels around a map
	Outside  float32
	Side     int // of windows

	Windows []Window // the samples
}

// Window is a place in the padded map of a record: its first row and column.
type Window struct {
	Record, Y, X int
}

// Starts are the first rows of each record in Sequence, and in Maps and Targets.
func (p *Pairs) Starts() (sequence, maps []int) {
	var s, m int
	for _, l := range p.Lengths {
		sequence, maps = append(sequence, s), append(maps, m)
		s, m = s+l, m+l*l
	}
	return sequence, maps
}

// Room is by how many pixels a window may be moved in the padded map of a record.
func (p *Pairs) Room(record int) int {
	return max(0, p.Lengths[record]+2*p.Padding-p.Side)
}

// Input is the shape of what networks see.
func (p *Pairs) Input() Shape {
	return Shape{Channels: 2*p.Sequence.Shape[1] + p.Maps.Shape[1], Height: p.Side, Width: p.Side}
}

// Cover returns windows side by side over the padded map of a record.
func (p *Pairs) Cover(record int) []Window {
	var out []Window
	whole := p.Lengths[record] + 2*p.Padding
	for y := 0; y < whole; y += p.Side {
		for x := 0; x < whole; x += p.Side {
			out = append(out, Window{record, y, x})
		}
	}
	return out
}

func (p *Pairs) check(what string, input, output Shape, loss Loss) error {
	if loss != MSE {
		return fmt.Errorf("%s: pairs go with mse, not with %s", what, loss)
	}
	if want := (Shape{Channels: 1, Height: p.Side, Width: p.Side}); input != p.Input() || output != want {
		return fmt.Errorf("%s: windows of %s and targets of %s, where the network has %s and %s", what, p.Input(), want, input, output)
	}
	if len(p.Windows) == 0 {
		return fmt.Errorf("%s: no samples", what)
	}
	var rows, pixels int
	for _, l := range p.Lengths {
		rows, pixels = rows+l, pixels+l*l
	}
	for _, a := range []struct {
		name  string
		array Array
		rows  int
	}{{"sequence", p.Sequence, rows}, {"maps", p.Maps, pixels}, {"targets", p.Targets, pixels}} {
		if a.array.Len() != a.rows {
			return fmt.Errorf("%s: %s has %d rows, and the records' lengths make %d", what, a.name, a.array.Len(), a.rows)
		}
	}
	return nil
}

// covered is the part of a map that a window shows, along one side: residues
// [low, high), the first of them at pixel at.
func (p *Pairs) covered(length, start int) (low, high, at int) {
	low = max(0, start-p.Padding)
	high = min(length, start+p.Side-p.Padding)
	return low, high, low + p.Padding - start
}

// view is a reader of windows: the pairs with where records start.
type view struct {
	*Pairs
	sequence, maps []int
}

func (p *Pairs) view() *view {
	s, m := p.Starts()
	return &view{p, s, m}
}

// pairInputs writes what a network sees of a window.
func pairInputs[T float32 | float64](v *view, to []T, w Window) {
	clear(to)
	features, planes := v.Sequence.Shape[1], v.Maps.Shape[1]
	length, side := v.Lengths[w.Record], v.Side
	top, bottom, y0 := v.covered(length, w.Y)
	left, right, x0 := v.covered(length, w.X)
	row := func(i int) []float32 { return v.Sequence.Sample(v.sequence[w.Record] + i) }
	for i := top; i < bottom; i++ {
		for j := left; j < right; j++ {
			at := (y0+i-top)*side + x0 + j - left
			for f := range features {
				to[2*f*side*side+at] = T(row(j)[f])
				to[(2*f+1)*side*side+at] = T(row(i)[f])
			}
			pair := v.Maps.Sample(v.maps[w.Record] + i*length + j)
			for m := range planes {
				to[(2*features+m)*side*side+at] = T(pair[m])
			}
		}
	}
}

// targets returns what a network is to say of a window.
func (v *view) targets(w Window) []float32 {
	out := slices.Repeat([]float32{v.Outside}, v.Side*v.Side)
	length := v.Lengths[w.Record]
	top, bottom, y0 := v.covered(length, w.Y)
	left, right, x0 := v.covered(length, w.X)
	for i := top; i < bottom && left < right; i++ {
		from := v.Targets.Data[v.maps[w.Record]+i*length+left:][:right-left]
		copy(out[(y0+i-top)*v.Side+x0:], from)
	}
	return out
}

// Moved is a window that a change has moved.
func (w Window) Moved(c Change) Window {
	return Window{w.Record, w.Y + int(c.DY), w.X + int(c.DX)}
}

// Place puts a window's output into a square of the record's residues, side a row.
func (p *Pairs) Place(square []float32, side int, w Window, output []float32) {
	top, bottom, y0 := p.covered(p.Lengths[w.Record], w.Y)
	left, right, x0 := p.covered(p.Lengths[w.Record], w.X)
	for i := top; i < bottom && left < right; i++ {
		copy(square[i*side+left:i*side+right], output[(y0+i-top)*p.Side+x0:])
	}
}
