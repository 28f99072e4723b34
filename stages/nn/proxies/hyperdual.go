package proxies

import (
	"math"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

// normalise is batch normalisation in training mode. Statistics are in float64.
func normalise[T kernel.Float](x, y *twice[T], shape nn.Shape, epsilon float64, scale, shift []float64) {
	area, samples := shape.Area(), len(x.value)/shape.Size()
	for ch := range shape.Channels {
		each := func(visit func(lo, hi int)) {
			for i := range samples {
				lo := (i*shape.Channels + ch) * area
				visit(lo, lo+area)
			}
		}
		m := channelMeans(x, each, float64(samples*area))
		r := inverseDeviation(channelVariance(x, m, each, float64(samples*area)), epsilon)
		var a [4]T
		for i, v := range r {
			a[i] = T(scale[ch] * v)
		}
		b := T(shift[ch])
		mean := [4]T{T(m[0]), T(m[1]), T(m[2]), T(m[3])}
		each(func(lo, hi int) {
			for i := lo; i < hi; i++ {
				v, s, t, st := x.value[i]-mean[0], x.s[i]-mean[1], x.t[i]-mean[2], x.st[i]-mean[3]
				y.value[i] = T(v*a[0]) + b
				y.s[i] = T(s*a[0]) + T(v*a[1])
				y.t[i] = T(t*a[0]) + T(v*a[2])
				y.st[i] = T(st*a[0]) + T(s*a[2]) + T(t*a[1]) + T(v*a[3])
			}
		})
	}
}

func channelMeans[T kernel.Float](x *twice[T], each func(func(lo, hi int)), count float64) [4]float64 {
	var sum [4]float64
	each(func(lo, hi int) {
		var a, b, c, d float64
		for i := lo; i < hi; i++ {
			a += float64(x.value[i])
			b += float64(x.s[i])
			c += float64(x.t[i])
			d += float64(x.st[i])
		}
		sum[0], sum[1], sum[2], sum[3] = sum[0]+a, sum[1]+b, sum[2]+c, sum[3]+d
	})
	return [4]float64{sum[0] / count, sum[1] / count, sum[2] / count, sum[3] / count}
}

// channelVariance gives the variance and its derivatives along s, t, and both.
func channelVariance[T kernel.Float](x *twice[T], m [4]float64, each func(func(lo, hi int)), count float64) [4]float64 {
	var sum [4]float64
	each(func(lo, hi int) {
		var a, b, c, d float64
		for i := lo; i < hi; i++ {
			v, s, t, st := float64(x.value[i])-m[0], float64(x.s[i])-m[1], float64(x.t[i])-m[2], float64(x.st[i])-m[3]
			a += float64(v * v)
			b += float64(v * s)
			c += float64(v * t)
			d += float64(s*t) + float64(v*st)
		}
		sum[0], sum[1], sum[2], sum[3] = sum[0]+a, sum[1]+b, sum[2]+c, sum[3]+d
	})
	return [4]float64{sum[0] / count, 2 * sum[1] / count, 2 * sum[2] / count, 2 * sum[3] / count}
}

// inverseDeviation gives (v + epsilon)^(-1/2) and its derivatives.
func inverseDeviation(v [4]float64, epsilon float64) [4]float64 {
	r := 1 / math.Sqrt(v[0]+epsilon)
	first := -r * r * r / 2
	second := 3 * r * r * r * r * r / 4
	return [4]float64{r, first * v[1], first * v[2], float64(second*float64(v[1]*v[2])) + float64(first*v[3])}
}

// mixedLoss is the mixed derivative of the mean cross-entropy of logits.
func mixedLoss[T kernel.Float](z *twice[T], labels []int32) float64 {
	classes := len(z.value) / len(labels)
	var total float64
	for i, label := range labels {
		lo := i * classes
		p := softmax(z.value[lo : lo+classes])
		var s, t, st float64
		for j, v := range p {
			a, b := float64(z.s[lo+j]), float64(z.t[lo+j])
			s += float64(v * a)
			t += float64(v * b)
			st += float64(v * (float64(z.st[lo+j]) + float64(a*b)))
		}
		total += st - float64(s*t) - float64(z.st[lo+int(label)])
	}
	return total / float64(len(labels))
}

func softmax[T kernel.Float](z []T) []float64 {
	top := math.Inf(-1)
	for _, v := range z {
		top = max(top, float64(v))
	}
	p := make([]float64, len(z))
	var sum float64
	for i, v := range z {
		p[i] = math.Exp(float64(v) - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}
