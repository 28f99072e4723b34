package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func random[T Float](r *rand.Rand, n int) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(r.NormFloat64())
	}
	return x
}

// near reports the first element that differs by more than tolerance times the
// largest magnitude of want.
func near[T Float](t *testing.T, what string, got, want []T, tolerance float64) {
	t.Helper()
	scale := 0.0
	for _, v := range want {
		scale = max(scale, math.Abs(float64(v)))
	}
	for i, v := range want {
		if d := math.Abs(float64(got[i]) - float64(v)); !(d <= tolerance*scale) {
			t.Errorf("%s: element %d is %v, want %v (scale %v)", what, i, got[i], v, scale)
			return
		}
	}
}

// Every set's loops agree with those in plain Go, at every length.
func TestSetsAgree(t *testing.T) {
	plain := Plain[float32]()
	for _, s := range Sets32() {
		t.Run(s.Name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			for n := 1; n < 70; n++ {
				x, y, z, d := random[float32](r, n), random[float32](r, n), random[float32](r, n), random[float32](r, n)
				for _, m := range []struct {
					name string
					run  func(s *Set[float32], dst []float32)
				}{
					{"Affine", func(s *Set[float32], dst []float32) { s.Affine(dst, x, 1.5, -0.25) }},
					{"AddAffine", func(s *Set[float32], dst []float32) { s.AddAffine(dst, x, 1.5, -0.25) }},
					{"Add", func(s *Set[float32], dst []float32) { s.Add(dst, x) }},
					{"AddWhere", func(s *Set[float32], dst []float32) { s.AddWhere(dst, x, y) }},
					{"Rectify", func(s *Set[float32], dst []float32) { s.Rectify(dst, x) }},
					{"ZeroUnless", func(s *Set[float32], dst []float32) { s.ZeroUnless(dst, x) }},
					{"AddThree", func(s *Set[float32], dst []float32) { s.AddThree(dst, x, y, z) }},
					{"AddProduct", func(s *Set[float32], dst []float32) { s.AddProduct(dst, x, y) }},
					{"Sums", func(s *Set[float32], dst []float32) {
						sum, product := s.GradientSums(x, y, 0.5)
						dst[0] = float32(sum + product + s.Sum(x) + s.SquaredDeviations(x, 0.5))
					}},
					{"Descend", func(s *Set[float32], dst []float32) {
						v := append([]float32(nil), z...)
						s.Descend(dst, x, v, 0.1, 0.9, 5e-4, n%2 == 0)
						s.Add(dst, v)
					}},
				} {
					got, want := append([]float32(nil), d...), append([]float32(nil), d...)
					m.run(s, got)
					m.run(plain, want)
					near(t, fmt.Sprintf("%s(%d)", m.name, n), got, want, 2e-6)
				}
			}
			for width := 1; width < 20; width++ {
				src, z := random[float32](r, 3*width), random[float32](r, 3*width)
				for _, rectify := range []bool{false, true} {
					got, want := make([]float32, 3*25), make([]float32, 3*25)
					s.PadRows(got, 25, src, 3, width, rectify)
					plain.PadRows(want, 25, src, 3, width, rectify)
					near(t, fmt.Sprintf("PadRows(%d, %v)", width, rectify), got, want, 0)
				}
				got, want := make([]float32, 3*25), make([]float32, 3*25)
				s.PadCombine(got, 25, src, z, 3, width, 2, -3, 0.5)
				plain.PadCombine(want, 25, src, z, 3, width, 2, -3, 0.5)
				near(t, fmt.Sprintf("PadCombine(%d)", width), got, want, 1e-6)
			}
		})
	}
}

func TestRectifyKeepsNaN(t *testing.T) {
	nan := float32(math.NaN())
	for _, s := range Sets32() {
		x := []float32{nan, -1, 1, nan, -2, 2, 0, 3, nan, -1}
		s.Rectify(x, x)
		for i, v := range x {
			if isNaN := i == 0 || i == 3 || i == 8; isNaN != math.IsNaN(float64(v)) || v < 0 {
				t.Errorf("%s: element %d is %v", s.Name, i, v)
			}
		}
		dst := make([]float32, 10)
		s.PadRows(dst, 10, []float32{nan, -1, 1, nan, -2, 2, 0, 3, nan, -1}, 1, 10, true)
		if !math.IsNaN(float64(dst[8])) || dst[1] != 0 {
			t.Errorf("%s: PadRows gives %v", s.Name, dst)
		}
	}
}

func testGemm[T Float](t *testing.T, s *Set[T], tolerance float64) {
	r, p := rand.New(rand.NewPCG(3, 4)), NewProduct(s)
	for _, d := range [][3]int{{1, 1, 1}, {5, 7, 3}, {4, 24, 300}, {13, 50, 257}, {200, 65, 70}, {3, 1600, 2}} {
		m, n, k := d[0], d[1], d[2]
		a, b := random[T](r, m*k), random[T](r, k*n)
		c, want := random[T](r, m*n), make([]T, m*n)
		for i := range m {
			for j := range n {
				var sum float64
				for l := range k {
					sum += float64(a[i*k+l]) * float64(b[l*n+j])
				}
				want[i*n+j] = T(sum)
			}
		}
		p.Gemm(m, n, k, a, k, b, n, c, n)
		near(t, fmt.Sprintf("%s %v", s.Name, d), c, want, tolerance)
	}
}

func TestGemm(t *testing.T) {
	for _, s := range Sets32() {
		testGemm(t, s, 1e-5)
	}
	testGemm(t, Plain[float64](), 1e-13)
}

var geometries = []Geometry{
	{3, 32, 32, 8, [2]int{3, 3}, [2]int{1, 1}, [2]int{1, 1}, 1, 1, 1, 1},
	{8, 8, 8, 16, [2]int{3, 3}, [2]int{1, 1}, [2]int{1, 1}, 1, 1, 1, 1},
	{5, 21, 13, 6, [2]int{3, 3}, [2]int{1, 1}, [2]int{1, 1}, 1, 1, 1, 1},
	{16, 9, 7, 5, [2]int{1, 1}, [2]int{1, 1}, [2]int{1, 1}, 0, 0, 0, 0},
	{4, 16, 16, 8, [2]int{3, 3}, [2]int{2, 2}, [2]int{1, 1}, 1, 1, 1, 1},
	{6, 8, 10, 3, [2]int{1, 1}, [2]int{2, 2}, [2]int{1, 1}, 0, 0, 0, 0},
	{3, 1, 46, 4, [2]int{1, 8}, [2]int{1, 1}, [2]int{1, 1}, 0, 0, 3, 4},
	{2, 11, 12, 3, [2]int{3, 3}, [2]int{1, 1}, [2]int{2, 2}, 2, 2, 2, 2},
	{2, 11, 12, 3, [2]int{3, 3}, [2]int{1, 1}, [2]int{1, 1}, 0, 0, 0, 0},
	{2, 4, 3, 3, [2]int{3, 3}, [2]int{1, 1}, [2]int{1, 1}, 1, 1, 1, 1},
	{40, 5, 9, 9, [2]int{3, 3}, [2]int{1, 1}, [2]int{1, 1}, 1, 1, 1, 1},
	{64, 1, 1, 10, [2]int{1, 1}, [2]int{1, 1}, [2]int{1, 1}, 0, 0, 0, 0},
}

// naive computes a convolution and its gradients by their definition.
func naive[T Float](g Geometry, x, w, dy []T, images int, rectify bool) (y, dw, dx []T) {
	oh, ow := g.Size()
	y, dw, dx = make([]T, images*g.Outputs*oh*ow), make([]T, len(w)), make([]T, len(x))
	at := 0
	for i := range images {
		for o := range g.Outputs {
			for oy := range oh {
				for ox := range ow {
					for c := range g.Channels {
						for ky := range g.Kernel[0] {
							for kx := range g.Kernel[1] {
								iy, ix := oy*g.Stride[0]+ky*g.Dilation[0]-g.Top, ox*g.Stride[1]+kx*g.Dilation[1]-g.Left
								if iy < 0 || iy >= g.Height || ix < 0 || ix >= g.Width {
									continue
								}
								xi, wi := ((i*g.Channels+c)*g.Height+iy)*g.Width+ix, ((o*g.Channels+c)*g.Kernel[0]+ky)*g.Kernel[1]+kx
								if rectify && !(x[xi] > 0) {
									continue
								}
								y[at] += x[xi] * w[wi]
								dw[wi] += x[xi] * dy[at]
								dx[xi] += w[wi] * dy[at]
							}
						}
					}
					at++
				}
			}
		}
	}
	return y, dw, dx
}

func testConv[T Float](t *testing.T, s *Set[T], tolerance float64) {
	r := rand.New(rand.NewPCG(5, 6))
	var b Buffers[T]
	for _, g := range geometries {
		for _, rectify := range []bool{false, true} {
			c := NewConv(s, g)
			images := c.group + 1
			oh, ow := g.Size()
			x, w := random[T](r, images*g.Channels*g.Height*g.Width), random[T](r, g.Outputs*c.depth)
			dy := random[T](r, images*g.Outputs*oh*ow)
			wantY, wantDW, wantDX := naive(g, x, w, dy, images, rectify)
			what := fmt.Sprintf("%s %+v rectify %v: ", s.Name, g, rectify)

			y, seen := make([]T, len(dy)), 0
			c.Forward(&b, c.PackForward(nil, w), x, images, rectify, y, func(int) { seen++ })
			near(t, what+"output", y, wantY, tolerance)
			if seen != images {
				t.Errorf("%s%d images reported, want %d", what, seen, images)
			}
			sums, dw, dx := make([]T, c.WeightsSize()), make([]T, len(w)), make([]T, len(x))
			c.Backward(&b, c.PackBackward(nil, w), x, images, rectify, Gradient[T]{DY: dy}, sums, dx)
			c.AddWeights(dw, sums)
			near(t, what+"gradient of weights", dw, wantDW, tolerance)
			near(t, what+"gradient of inputs", dx, wantDX, tolerance)
		}
	}
}

func TestConv(t *testing.T) {
	for _, s := range Sets32() {
		testConv(t, s, 2e-5)
	}
	testConv(t, Plain[float64](), 1e-12)
}

// The gradient that batch normalisation passes on is combined on the way.
func TestCombinedGradient(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	g := geometries[1]
	for _, s := range Sets32() {
		c := NewConv(s, g)
		x, w := random[float32](r, 2*g.Channels*64), random[float32](r, g.Outputs*c.depth)
		dy, z := random[float32](r, 2*g.Outputs*64), random[float32](r, 2*g.Outputs*64)
		scale, slope, shift := random[float32](r, g.Outputs), random[float32](r, g.Outputs), random[float32](r, g.Outputs)
		dz := make([]float32, len(dy))
		for i := range dz {
			ch := i / 64 % g.Outputs
			dz[i] = scale[ch]*dy[i] + slope[ch]*z[i] + shift[ch]
		}
		_, wantDW, wantDX := naive(g, x, w, dz, 2, true)
		var b Buffers[float32]
		sums, dw, dx := make([]float32, c.WeightsSize()), make([]float32, len(w)), make([]float32, len(x))
		c.Backward(&b, c.PackBackward(nil, w), x, 2, true, Gradient[float32]{dy, z, scale, slope, shift}, sums, dx)
		c.AddWeights(dw, sums)
		near(t, s.Name+" weights", dw, wantDW, 1e-5)
		near(t, s.Name+" inputs", dx, wantDX, 1e-5)
	}
}
