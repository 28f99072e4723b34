package nn

import (
	"math/rand/v2"
	"slices"
)

// Sound are the changes of values, first made for sound: a level that is added,
// masks, and noise. Zero of all changes nothing.
type Sound struct {
	Level      float32 `json:"level,omitempty"` // times the sample's level is added
	Masks      [2]Mask `json:"masks,omitzero"`
	Noise      int32   `json:"noise,omitempty"` // 1 + row of Dataset.Noise that is mixed in; 0 for none
	Share      float32 `json:"share,omitempty"` // of noise: the result is (1 - Share) x + Share noise
	NoiseMasks [2]Mask `json:"noise_masks,omitzero"`
}

// Mask covers rows [Y, Y+Height) and columns [X, X+Width) of all channels with the
// smallest value of what it is laid on.
type Mask struct {
	Y      int32 `json:"y"`
	Height int32 `json:"height"`
	X      int32 `json:"x"`
	Width  int32 `json:"width"`
}

// sounds reports whether values are changed beyond shift, mirror and cutout.
func (a Augmentation) sounds() bool {
	return a.Levels != [2]float64{} || a.Noise > 0 || a.SpecAugment > 0
}

// Shares of rows and columns that a mask covers, at most: those of the code that
// NAS-Bench-360 trains on FSD50K with.
const (
	maskRows    = 0.15
	maskColumns = 0.20
)

// sound draws levels, masks and noise.
func (a Augmentation) sound(r *rand.Rand, noises int, image Shape) Sound {
	var s Sound
	if a.Levels != [2]float64{} {
		s.Level = float32(uniform(r, a.Levels[0], a.Levels[1]))
	}
	s.Masks = a.masks(r, image)
	if a.Noise > 0 && noises > 0 && r.Float64() < a.Noise {
		s.Noise = 1 + int32(r.IntN(noises))
		s.NoiseMasks = a.masks(r, image)
		s.Share = float32(uniform(r, 0, a.NoiseShare))
	}
	return s
}

// masks draws one or two masks with probability SpecAugment, of up to 15 % of the
// rows and 20 % of the columns each.
func (a Augmentation) masks(r *rand.Rand, image Shape) [2]Mask {
	var m [2]Mask
	if a.SpecAugment <= 0 || r.Float64() >= a.SpecAugment {
		return m
	}
	for i := range 1 + r.IntN(len(m)) {
		height := int(uniform(r, 0, maskRows) * float64(image.Height))
		y := int(uniform(r, 0, float64(image.Height-height)))
		width := int(uniform(r, 0, maskColumns) * float64(image.Width))
		x := int(uniform(r, 0, float64(image.Width-width)))
		m[i] = Mask{int32(y), int32(height), int32(x), int32(width)}
	}
	return m
}

func uniform(r *rand.Rand, low, high float64) float64 {
	return low + float64((high-low)*r.Float64())
}

// sound changes x; room is as large as x.
func (d *Dataset) sound(x, room []float32, s Sound, sample int, image Shape) {
	if s.Level != 0 && d.Levels != nil {
		add := float64(s.Level) * float64(d.Levels[sample])
		for i, v := range x {
			x[i] = float32(float64(v) + float64(add))
		}
	}
	cover(x, s.Masks, image)
	if s.Noise == 0 {
		return
	}
	copy(room, d.Noise.Sample(int(s.Noise-1)))
	cover(room, s.NoiseMasks, image)
	share := float64(s.Share)
	for i, v := range x {
		x[i] = float32(float64((1-share)*float64(v)) + float64(share*float64(room[i])))
	}
}

func cover(x []float32, masks [2]Mask, s Shape) {
	if masks == [2]Mask{} {
		return
	}
	least := slices.Min(x)
	for i := range x {
		y, col := int32(i/s.Width%s.Height), int32(i%s.Width)
		for _, m := range masks {
			if y >= m.Y && y < m.Y+m.Height || col >= m.X && col < m.X+m.Width {
				x[i] = least
			}
		}
	}
}
