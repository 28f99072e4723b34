package nn

import "math/rand/v2"

// Batch is which samples a step sees, and how each is changed.
type Batch struct {
	Indices []int32  `json:"indices"`
	Changes []Change `json:"changes,omitempty"` // one a sample, or none at all
}

// Change is what augmentation does to one sample, in the order of the fields.
//
// An image is shifted by (DY, DX) (pixel (y, x) of the result is pixel (y+DY, x+DX)
// of the image, zero outside), then mirrored left to right if Flip; Level times the
// sample's level is added to all pixels; masks are laid over it, and a row of noise,
// under its own masks, is mixed in; Dataset.Standard is applied; last, the square of
// rows [CutY, CutY+side) and columns [CutX, CutX+side) is set to zero. Of pairs DY
// and DX move the window.
type Change struct {
	DY    int32 `json:"dy"`
	DX    int32 `json:"dx"`
	Flip  bool  `json:"flip"`
	CutY  int32 `json:"cut_y"` // may be negative: the square is clipped
	CutX  int32 `json:"cut_x"`
	Sound Sound `json:"sound,omitzero"`
}

// Batches draws the batches of one epoch: a random order of all samples from
// the stream (seed, "order", epoch), cut into batches, and the changes, sample
// by sample in that order, from the stream (seed, "augmentation", epoch). Where an
// epoch sees one sample a record, the order is of records, and which of its samples
// it is is drawn before its change.
func Batches(seed uint64, epoch int, d *Dataset, r *Recipe, image Shape) []Batch {
	var members [][]int32
	if r.Augmentation.OneARecord && d.Records != nil {
		members = d.members()
	}
	samples := d.Seen(r.Augmentation)
	order := make([]int32, samples)
	for i := range order {
		order[i] = int32(i)
	}
	stream := Stream(seed, "order", uint64(epoch))
	stream.Shuffle(samples, func(i, j int) { order[i], order[j] = order[j], order[i] })
	batches := Ordered(samples, r.BatchSize)
	changes := Stream(seed, "augmentation", uint64(epoch))
	changed := r.Augmentation.changes() || d.Pairs != nil
	for b := range batches {
		for i, at := range batches[b].Indices {
			index := order[at]
			if members != nil {
				index = members[index][changes.IntN(len(members[index]))]
			}
			batches[b].Indices[i] = index
			if changed {
				batches[b].Changes = append(batches[b].Changes, r.Augmentation.change(changes, d, int(index), image))
			}
		}
	}
	return batches
}

// Ordered cuts samples into batches without shuffling: for evaluation.
func Ordered(samples, size int) []Batch {
	var batches []Batch
	for lo := 0; lo < samples; lo += size {
		b := Batch{Indices: make([]int32, min(size, samples-lo))}
		for i := range b.Indices {
			b.Indices[i] = int32(lo + i)
		}
		batches = append(batches, b)
	}
	return batches
}

// change draws the change of a sample.
func (a Augmentation) change(r *rand.Rand, d *Dataset, sample int, image Shape) Change {
	if d.Pairs != nil {
		room := d.Pairs.Room(d.Pairs.Windows[sample].Record)
		return Change{DY: int32(r.IntN(room + 1)), DX: int32(r.IntN(room + 1))}
	}
	var c Change
	if a.Crop > 0 {
		c.DY = int32(r.IntN(2*a.Crop+1) - a.Crop)
		c.DX = int32(r.IntN(2*a.Crop+1) - a.Crop)
	}
	if a.Flip {
		c.Flip = r.IntN(2) == 1
	}
	if a.Cutout > 0 {
		c.CutY = int32(r.IntN(image.Height) - a.Cutout/2)
		c.CutX = int32(r.IntN(image.Width) - a.Cutout/2)
	}
	if a.sounds() {
		c.Sound = a.sound(r, d.Noise.Len(), image)
	}
	return c
}

// Gather copies the batch's inputs into to, one after the other, changed as the
// batch says. T is the engine's element type.
func Gather[T float32 | float64](to []T, d *Dataset, b Batch, a Augmentation, image Shape) {
	size := image.Size()
	if d.Pairs != nil {
		v := d.Pairs.view()
		for i, at := range b.Indices {
			pairInputs(v, to[i*size:(i+1)*size], b.window(d.Pairs, i, at))
		}
		return
	}
	var room []float32
	if len(b.Changes) > 0 && a.sounds() {
		room = make([]float32, 2*size)
	}
	for i, at := range b.Indices {
		dst, src := to[i*size:(i+1)*size], d.Inputs.Sample(int(at))
		if len(b.Changes) == 0 {
			for j, v := range src {
				dst[j] = T(d.Standard.encode(j/image.Area(), v))
			}
			continue
		}
		c := b.Changes[i]
		if room == nil {
			change(dst, src, c, a.Cutout, image, d.Standard)
			continue
		}
		still := Change{DY: c.DY, DX: c.DX, Flip: c.Flip}
		change(room[:size], src, still, 0, image, nil)
		d.sound(room[:size], room[size:], c.Sound, int(at), image)
		change(dst, room[:size], Change{CutY: c.CutY, CutX: c.CutX}, a.Cutout, image, d.Standard)
	}
}

// Answers are targets of the batch's samples, and which of their elements count:
// nil where all do.
func (d *Dataset) Answers(b Batch) (targets, counts [][]float32) {
	if d.Pairs != nil {
		v := d.Pairs.view()
		for i, at := range b.Indices {
			targets = append(targets, v.targets(b.window(d.Pairs, i, at)))
		}
		return targets, nil
	}
	for _, at := range b.Indices {
		targets = append(targets, d.Targets.Sample(int(at)))
		if d.Counts.Shape != nil {
			counts = append(counts, d.Counts.Sample(int(at)))
		}
	}
	return targets, counts
}

// window is that of sample i of the batch.
func (b *Batch) window(p *Pairs, i int, at int32) Window {
	w := p.Windows[at]
	if len(b.Changes) > 0 {
		w = w.Moved(b.Changes[i])
	}
	return w
}

func change[T float32 | float64](dst []T, src []float32, c Change, cutout int, s Shape, k *Standardisation) {
	clear(dst)
	for ch := range s.Channels {
		border := T(k.encode(ch, 0))
		for y := range s.Height {
			cut := y >= int(c.CutY) && y < int(c.CutY)+cutout
			if cut && coversRow(c, cutout, s.Width) {
				continue
			}
			sy := y + int(c.DY)
			outside := sy < 0 || sy >= s.Height
			to := dst[(ch*s.Height+y)*s.Width:][:s.Width]
			for x := range to {
				if cut && x >= int(c.CutX) && x < int(c.CutX)+cutout {
					continue
				}
				sx := x
				if c.Flip {
					sx = s.Width - 1 - x
				}
				if sx += int(c.DX); outside || sx < 0 || sx >= s.Width {
					to[x] = border
					continue
				}
				to[x] = T(k.encode(ch, src[(ch*s.Height+sy)*s.Width+sx]))
			}
		}
	}
}

func coversRow(c Change, cutout, width int) bool {
	return c.CutX <= 0 && int(c.CutX)+cutout >= width
}
