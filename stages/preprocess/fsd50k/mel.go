package fsd50k

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/dsp/fourier"
)

// The spectrogram's parameters.
const (
	rate    = 22050 // Hz
	fftSize = 1920
	window  = 661 // int(.03 * rate)
	hop     = 220 // int(.01 * rate)
	bands   = 96
	frames  = 1 + rate/hop // of a second: 101

	weakest = 1e-10 // power
	topDB   = 80.0
	shiftDB = 75.0
)

// spectrogram computes log-mel spectrograms. It is for one goroutine.
type spectrogram struct {
	fft      *fourier.FFT
	window   []float64 // padded with zeros to fftSize
	filters  []filter
	samples  []float64 // of a frame
	spectrum []complex128
	power    []float64
	db       []float64 // of a clip
}

// filter is the weights of a mel band from FFT bin first on.
type filter struct {
	first   int
	weights []float64
}

func newSpectrogram() *spectrogram {
	return &spectrogram{
		fft: fourier.NewFFT(fftSize), window: hann(), filters: melFilters(),
		samples: make([]float64, fftSize), spectrum: make([]complex128, fftSize/2+1), power: make([]float64, fftSize/2+1),
	}
}

// hann is a periodic Hann window in the middle of a frame.
func hann() []float64 {
	w := make([]float64, fftSize)
	for i := range window {
		s := math.Sin(math.Pi * float64(i) / window)
		w[(fftSize-window)/2+i] = s * s
	}
	return w
}

// melFilters are triangles whose corners lie evenly on HTK's mel scale.
func melFilters() []filter {
	mel := func(f float64) float64 { return 2595 * math.Log10(1+f/700) }
	corner := func(i int) float64 {
		return 700 * (math.Pow(10, mel(rate/2)*float64(i)/(bands+1)/2595) - 1)
	}
	filters := make([]filter, bands)
	for b := range filters {
		low, mid, high := corner(b), corner(b+1), corner(b+2)
		for k := range fftSize/2 + 1 {
			f := float64(k) * (rate / 2) / (fftSize / 2)
			weight := min((f-low)/(mid-low), (high-f)/(high-mid))
			if weight <= 0 {
				continue
			}
			if len(filters[b].weights) == 0 {
				filters[b].first = k
			}
			filters[b].weights = append(filters[b].weights, weight)
		}
	}
	return filters
}

// repeated makes a clip of at least a second out of a shorter one.
func repeated(clip []float32) []float32 {
	if len(clip) == 0 || len(clip) >= rate {
		return clip
	}
	return slices.Repeat(clip, rate/len(clip)+1)[:rate]
}

// logMel gives the spectrogram of a clip in dB, around its own mean: bands rows of
// 1 + len(clip)/hop frames.
func (s *spectrogram) logMel(clip []float32) ([]float32, error) {
	clip = repeated(clip)
	if len(clip) == 0 {
		return nil, fmt.Errorf("it has no samples")
	}
	n := 1 + len(clip)/hop
	s.db = slices.Grow(s.db[:0], bands*n)[:bands*n]
	db := s.db
	strongest := math.Inf(-1)
	for t := range n {
		s.frame(clip, t*hop-fftSize/2)
		for b, f := range s.filters {
			sum := 0.0
			for i, w := range f.weights {
				sum += w * s.power[f.first+i]
			}
			v := 10 * math.Log10(max(weakest, sum))
			db[b*n+t] = v
			strongest = max(strongest, v)
		}
	}
	if math.IsNaN(strongest) || math.IsInf(strongest, 0) {
		return nil, fmt.Errorf("it has samples that are not finite")
	}
	mean := 0.0
	for i, v := range db {
		db[i] = max(v, strongest-topDB) + shiftDB
		mean += db[i]
	}
	mean /= float64(len(db))
	out := make([]float32, len(db))
	for i, v := range db {
		out[i] = float32(v - mean)
	}
	return out, nil
}

// frame computes the power spectrum of the frame that begins at start, which may lie
// before the clip or reach beyond it: there the clip is mirrored.
func (s *spectrogram) frame(clip []float32, start int) {
	for i, w := range s.window {
		if w == 0 {
			s.samples[i] = 0
			continue
		}
		s.samples[i] = w * float64(clip[mirrored(start+i, len(clip))])
	}
	s.fft.Coefficients(s.spectrum, s.samples)
	for k, c := range s.spectrum {
		s.power[k] = float64(real(c)*real(c)) + float64(imag(c)*imag(c))
	}
}

// mirrored reflects an index at the first and the last sample, which are not doubled.
func mirrored(i, n int) int {
	if i < 0 {
		i = -i
	}
	if i >= n {
		i = 2*(n-1) - i
	}
	return i
}

// cut takes width frames from first on out of a spectrogram.
func cut(mel []float32, first, width int) []float32 {
	n := len(mel) / bands
	out := make([]float32, 0, bands*width)
	for b := range bands {
		out = append(out, mel[b*n+first:b*n+first+width]...)
	}
	return out
}
