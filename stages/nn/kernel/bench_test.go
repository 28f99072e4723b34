//go:build linux

package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// cpuTime is the seconds of processor time so far: other programs on the
// machine matter less to it than to the clock.
func cpuTime() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func BenchmarkGemm(b *testing.B) {
	const n = 512
	for _, s := range Sets32() {
		b.Run(s.Name, func(b *testing.B) {
			r, p := rand.New(rand.NewPCG(1, 1)), NewProduct(s)
			x, y, z := random[float32](r, n*n), random[float32](r, n*n), make([]float32, n*n)
			start := cpuTime()
			for b.Loop() {
				p.Gemm(n, n, n, x, n, y, n, z, n)
			}
			b.ReportMetric(2*n*n*n*float64(b.N)/(cpuTime()-start)/1e9, "GFLOP/cpu-s")
		})
	}
}

func BenchmarkConv(b *testing.B) {
	const images = 8
	for _, s := range Sets32() {
		for _, ch := range []int{8, 16, 32, 64} {
			side := 512 / max(ch, 16)
			if ch == 64 || ch == 32 {
				side = map[int]int{32: 16, 64: 8}[ch]
			}
			g := Geometry{ch, side, side, ch, [2]int{3, 3}, [2]int{1, 1}, [2]int{1, 1}, 1, 1, 1, 1}
			c := NewConv(s, g)
			r := rand.New(rand.NewPCG(1, 1))
			x, w := random[float32](r, images*ch*side*side), random[float32](r, ch*c.depth)
			y, dx, sums := make([]float32, len(x)), make([]float32, len(x)), make([]float32, c.WeightsSize())
			flop := 2 * float64(images*ch*side*side*c.depth)
			var buf Buffers[float32]
			b.Run(fmt.Sprintf("%s/forward/%d", s.Name, ch), func(b *testing.B) {
				p := c.PackForward(nil, w)
				start := cpuTime()
				for b.Loop() {
					c.Forward(&buf, p, x, images, true, y, func(int) {})
				}
				b.ReportMetric(flop*float64(b.N)/(cpuTime()-start)/1e9, "GFLOP/cpu-s")
			})
			b.Run(fmt.Sprintf("%s/backward/%d", s.Name, ch), func(b *testing.B) {
				p := c.PackBackward(nil, w)
				start := cpuTime()
				for b.Loop() {
					c.Backward(&buf, p, x, images, true, Gradient[float32]{DY: y}, sums, dx)
				}
				b.ReportMetric(2*flop*float64(b.N)/(cpuTime()-start)/1e9, "GFLOP/cpu-s")
			})
		}
	}
}
