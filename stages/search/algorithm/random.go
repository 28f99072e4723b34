package algorithm

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
)

// Source is the random stream of one run. The draws are written out, so that
// they cannot change with the standard library.
type Source struct{ pcg rand.PCG }

// NewSource is the stream of run number run for a purpose; see the package's
// documentation.
func NewSource(seed uint64, purpose string, run int) *Source {
	text := binary.LittleEndian.AppendUint64([]byte("nbpipe search "+purpose), seed)
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64(text, uint64(run)))
	s := new(Source)
	s.pcg.Seed(binary.LittleEndian.Uint64(sum[:8]), binary.LittleEndian.Uint64(sum[8:16]))
	return s
}

// Below is a uniform integer in 0..n-1. The bias of multiply-and-shift is n in
// 2^64.
func (s *Source) Below(n int) int {
	high, _ := bits.Mul64(s.pcg.Uint64(), uint64(n))
	return int(high)
}

// Float is uniform in [0, 1), a multiple of 2^-53.
func (s *Source) Float() float64 { return float64(s.pcg.Uint64()>>11) * 0x1p-53 }

// Normal is standard normal, by inversion.
func (s *Source) Normal() float64 {
	return stats.NormalQuantile((float64(s.pcg.Uint64()>>11) + 0.5) * 0x1p-53)
}
