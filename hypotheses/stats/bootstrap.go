package stats

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// Level is the level of every interval of this package.
	Level      = 0.95
	lowerLevel = (1 - Level) / 2
	upperLevel = 1 - lowerLevel
)

// Interval is a statistic with its 95 % interval.
type Interval struct {
	// Value is the statistic of the sample itself.
	Value float64
	// Low and High bound the interval.
	Low, High float64
	// StdErr is the standard error: the standard deviation over the resamples,
	// or the root of the estimated variance.
	StdErr float64
	// Units is the number of units that are redrawn: points or classes.
	Units int
	// Undefined counts the resamples on which the statistic was NaN. They are
	// left out of the interval, which is trustworthy only if they are few.
	Undefined int
}

// Bootstrap is the percentile interval (Efron, Ann. Statist. 1979) of a
// statistic of n points, which are drawn with replacement. statistic receives
// the indexes of a sample, so that points may have any number of coordinates;
// Value is that of 0, 1 .. n-1. It is called from several goroutines at once,
// must be a pure function, and must not keep the slice.
//
// n = 0 gives NaN without a call.
func Bootstrap(n, resamples int, seed uint64, statistic func(sample []int) float64) (Interval, error) {
	class := make([]int, max(0, n))
	for i := range class {
		class[i] = i
	}
	return ClusterBootstrap(class, resamples, seed, statistic)
}

// ClusterBootstrap is Bootstrap for points that come in classes (clusters):
// whole classes are drawn with replacement, with all their members (Davison and
// Hinkley, Bootstrap Methods, 1997, section 3.8). class[i] is any label of the
// class of point i; samples vary in length as the classes do.
func ClusterBootstrap(class []int, resamples int, seed uint64, statistic func(sample []int) float64) (Interval, error) {
	if err := checkResamples(resamples); err != nil {
		return Interval{}, err
	}
	if err := checkSize(len(class)); err != nil {
		return Interval{}, err
	}
	if len(class) == 0 {
		return undefinedInterval(math.NaN(), 0), nil
	}
	members := groupMembers(class)
	values := forEachResample(resamples, seed, func() func(*source) float64 {
		var sample []int
		return func(random *source) float64 {
			sample = sample[:0]
			for range members {
				sample = append(sample, members[random.below(len(members))]...)
			}
			return statistic(sample)
		}
	})
	return percentileInterval(statistic(identity(len(class))), values, len(members)), nil
}

// BootstrapMeans is Bootstrap of the mean of each coordinate of some points:
// values[i] holds those of point i, and all points have as many. All coordinates
// see the same resamples.
func BootstrapMeans(values [][]float64, resamples int, seed uint64) ([]Interval, error) {
	if err := checkResamples(resamples); err != nil {
		return nil, err
	}
	if err := checkSize(len(values)); err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, nil
	}
	width := len(values[0])
	for i, v := range values {
		if len(v) != width {
			return nil, fmt.Errorf("%w: %d coordinates, point %d has %d", ErrLength, width, i, len(v))
		}
	}
	means := make([]float64, resamples*width)
	forEachStream(resamples, seed, func() func(int, *source) {
		return func(b int, random *source) {
			sums := means[b*width : (b+1)*width]
			for range values {
				addTo(sums, values[random.below(len(values))])
			}
			divide(sums, len(values))
		}
	})
	whole := make([]float64, width)
	for _, v := range values {
		addTo(whole, v)
	}
	divide(whole, len(values))
	out := make([]Interval, width)
	column := make([]float64, resamples)
	for c := range out {
		for b := range column {
			column[b] = means[b*width+c]
		}
		out[c] = percentileInterval(whole[c], column, len(values))
	}
	return out, nil
}

// ClusterBootstrapTimes is ClusterBootstrap of several statistics at once, on the same
// resamples, and without making the samples: statistic gets how often each point was
// drawn, points of a class as often as each other, and fills in the values. It is
// called from several goroutines at once and must not keep the slices. The first
// call's values, each point drawn once, are those of the intervals.
func ClusterBootstrapTimes(class []int, width, resamples int, seed uint64, statistic func(times []int32, values []float64)) ([]Interval, error) {
	if err := checkResamples(resamples); err != nil {
		return nil, err
	}
	if err := checkSize(len(class)); err != nil {
		return nil, err
	}
	out := make([]Interval, width)
	if len(class) == 0 {
		for i := range out {
			out[i] = undefinedInterval(math.NaN(), 0)
		}
		return out, nil
	}
	ids, count := classIDs(class)
	times := make([]int32, len(class))
	for i := range times {
		times[i] = 1
	}
	whole := make([]float64, width)
	statistic(times, whole)
	drawn := make([]float64, resamples*width)
	forEachStream(resamples, seed, func() func(int, *source) {
		classTimes, times := make([]int32, count), make([]int32, len(class))
		return func(b int, random *source) {
			clear(classTimes)
			for range classTimes {
				classTimes[random.below(count)]++
			}
			for i, id := range ids {
				times[i] = classTimes[id]
			}
			statistic(times, drawn[b*width:(b+1)*width])
		}
	})
	for i := range out {
		column := make([]float64, resamples)
		for b := range column {
			column[b] = drawn[b*width+i]
		}
		out[i] = percentileInterval(whole[i], column, count)
	}
	return out, nil
}

func addTo(sums, values []float64) {
	for i, v := range values {
		sums[i] += v
	}
}

func divide(sums []float64, n int) {
	for i := range sums {
		sums[i] /= float64(n)
	}
}

// identity is 0, 1 .. n-1.
func identity(n int) []int {
	at := make([]int, n)
	for i := range at {
		at[i] = i
	}
	return at
}

// undefinedInterval is a value whose interval does not exist.
func undefinedInterval(value float64, units int) Interval {
	nan := math.NaN()
	return Interval{Value: value, Low: nan, High: nan, StdErr: nan, Units: units}
}

// percentileInterval takes the interval from the statistics of the resamples,
// which it reorders.
func percentileInterval(value float64, resampled []float64, units int) Interval {
	defined := slices.DeleteFunc(resampled, math.IsNaN)
	slices.Sort(defined)
	return Interval{
		Value:     value,
		Low:       sortedQuantile(defined, lowerLevel),
		High:      sortedQuantile(defined, upperLevel),
		StdErr:    standardDeviation(defined),
		Units:     units,
		Undefined: len(resampled) - len(defined),
	}
}

// standardDeviation is that of a sample (divisor n-1), NaN below 2 values.
func standardDeviation(x []float64) float64 {
	if len(x) < 2 {
		return math.NaN()
	}
	center := mean(x)
	var squares float64
	for _, v := range x {
		squares += (v - center) * (v - center)
	}
	return math.Sqrt(squares / float64(len(x)-1))
}

// classIDs numbers the classes 0, 1 .. count-1 in order of first appearance.
func classIDs(class []int) (ids []int32, count int) {
	known := make(map[int]int32, len(class))
	ids = make([]int32, len(class))
	for i, label := range class {
		id, ok := known[label]
		if !ok {
			id = int32(len(known))
			known[label] = id
		}
		ids[i] = id
	}
	return ids, len(known)
}

// groupMembers lists the points of each class, both in order of appearance.
func groupMembers(class []int) [][]int {
	ids, count := classIDs(class)
	members := make([][]int, count)
	for i, id := range ids {
		members[id] = append(members[id], i)
	}
	return members
}

// source is the random stream of one resample.
type source struct{ pcg rand.PCG }

// restart positions the source at the start of a stream. Seed and stream are
// mixed first: neighbouring numbers must not give neighbouring states.
func (s *source) restart(seed, stream uint64) {
	s.pcg.Seed(mix(seed), mix(seed+mix(stream)))
}

// mix is the output function of SplitMix64 (Steele, Lea and Flood, OOPSLA
// 2014).
func mix(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

// below is a uniform integer in 0..n-1. The bias of multiply-and-shift is n in
// 2^64; written out, the draws cannot change with the standard library.
func (s *source) below(n int) int {
	high, _ := bits.Mul64(s.pcg.Uint64(), uint64(n))
	return int(high)
}

// forEachResample computes the statistic of every resample on all cores. Each
// worker makes its own statistic function, which may thus own scratch memory.
func forEachResample(resamples int, seed uint64, newWorker func() func(*source) float64) []float64 {
	values := make([]float64, resamples)
	forEachStream(resamples, seed, func() func(int, *source) {
		statistic := newWorker()
		return func(b int, random *source) { values[b] = statistic(random) }
	})
	return values
}

// forEachStream calls a worker's function with every number below n, and the
// random stream of that number, on all cores.
func forEachStream(n int, seed uint64, newWorker func() func(int, *source)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		workers.Go(func() {
			work := newWorker()
			var random source
			for {
				b := int(next.Add(1)) - 1
				if b >= n {
					return
				}
				random.restart(seed, uint64(b))
				work(b, &random)
			}
		})
	}
	workers.Wait()
}
