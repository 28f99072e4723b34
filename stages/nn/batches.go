package nn

// Batch is which samples a step sees, and how each is changed.
type Batch struct {
	Indices []int32  `json:"indices"`
	Changes []Change `json:"changes,omitempty"` // one a sample, or none at all
}

// Change is what augmentation does to one image: it is shifted by (DY, DX)
// (pixel (y, x) of the result is pixel (y+DY, x+DX) of the image, zero
// outside), then mirrored left to right if Flip, then the square of rows
// [CutY, CutY+side) and columns [CutX, CutX+side) is set to zero.
type Change struct {
	DY   int32 `json:"dy"`
	DX   int32 `json:"dx"`
	Flip bool  `json:"flip"`
	CutY int32 `json:"cut_y"` // may be negative: the square is clipped
	CutX int32 `json:"cut_x"`
}

// Batches draws the batches of one epoch: a random order of all samples from
// the stream (seed, "order", epoch), cut into batches, and the changes, image
// by image in that order, from the stream (seed, "augmentation", epoch).
func Batches(seed uint64, epoch, samples int, r *Recipe, image Shape) []Batch {
	order := make([]int32, samples)
	for i := range order {
		order[i] = int32(i)
	}
	stream := Stream(seed, "order", uint64(epoch))
	stream.Shuffle(samples, func(i, j int) { order[i], order[j] = order[j], order[i] })
	batches := Ordered(samples, r.BatchSize)
	changes := Stream(seed, "augmentation", uint64(epoch))
	for b := range batches {
		for i, at := range batches[b].Indices {
			batches[b].Indices[i] = order[at]
		}
		if !r.Augmentation.Active() {
			continue
		}
		batches[b].Changes = make([]Change, len(batches[b].Indices))
		for i := range batches[b].Changes {
			batches[b].Changes[i] = r.Augmentation.draw(changes, image)
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

func (a Augmentation) draw(r interface{ IntN(int) int }, image Shape) Change {
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
	return c
}

// Gather copies the batch's samples into to, one after the other, changed as
// the batch says. T is the engine's element type.
func Gather[T float32 | float64](to []T, from Array, b Batch, a Augmentation, image Shape) {
	size := image.Size()
	for i, at := range b.Indices {
		dst, src := to[i*size:(i+1)*size], from.Sample(int(at))
		if len(b.Changes) == 0 {
			for j, v := range src {
				dst[j] = T(v)
			}
			continue
		}
		change(dst, src, b.Changes[i], a.Cutout, image)
	}
}

func change[T float32 | float64](dst []T, src []float32, c Change, cutout int, s Shape) {
	clear(dst)
	for ch := range s.Channels {
		for y := range s.Height {
			sy := y + int(c.DY)
			if sy < 0 || sy >= s.Height || y >= int(c.CutY) && y < int(c.CutY)+cutout && coversRow(c, cutout, s.Width) {
				continue
			}
			from := src[(ch*s.Height+sy)*s.Width:][:s.Width]
			to := dst[(ch*s.Height+y)*s.Width:][:s.Width]
			cut := y >= int(c.CutY) && y < int(c.CutY)+cutout
			for x := range to {
				sx := x
				if c.Flip {
					sx = s.Width - 1 - x
				}
				if sx += int(c.DX); sx < 0 || sx >= s.Width || cut && x >= int(c.CutX) && x < int(c.CutX)+cutout {
					continue
				}
				to[x] = T(from[sx])
			}
		}
	}
}

func coversRow(c Change, cutout, width int) bool {
	return c.CutX <= 0 && int(c.CutX)+cutout >= width
}
