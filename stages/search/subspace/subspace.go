package subspace

import (
	"cmp"
	"math"
	"slices"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
	"github.com/nbpipe/nbpipe/stages/nas"
)

// Description says what a part of the space is like.
type Description struct {
	SizeRatio float64 // architectures over all 15,625
	MeanGain  float64 // by how much its average judged value is better than that of all; NaN where nobody knows these
	Recall    float64 // share of the true top that it holds; NaN as MeanGain
	Diversity float64 // mean number of edges on which two members differ; NaN for one
	Pockets   float64 // parts that no single edit joins
	Tau       float64 // tau-b of seen and judged values inside; NaN where they are the same
}

// Names are the members of a Description, as outputs name them.
func Names() []string {
	return []string{"size_ratio", "mean_gain", "recall", "diversity", "pockets", "tau"}
}

// Values are the members, in the order of Names.
func (d Description) Values() []float64 {
	return []float64{d.SizeRatio, d.MeanGain, d.Recall, d.Diversity, d.Pockets, d.Tau}
}

// Judge describes parts of the space by the values of a table.
type Judge struct {
	seen, judged []float64 // by architecture, as in the table
	minimise     bool
	top          []bool
	mean         float64 // judged, of all
}

// NewJudge takes the values by which a search shrinks and those by which it is
// judged, one an architecture; seen is nil where they are the same, judged where not
// all architectures have a value, and then there is only size and shape. The true top is
// the given share of the architectures, the best by judged value, ties by number;
// at least one.
func NewJudge(seen, judged []float64, minimise bool, share float64) *Judge {
	j := &Judge{seen: seen, judged: judged, minimise: minimise, top: make([]bool, len(judged))}
	if judged == nil {
		return j
	}
	order := make([]int, len(judged))
	for i := range order {
		order[i] = i
		j.mean += judged[i] / float64(len(judged))
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if minimise {
			return cmp.Compare(judged[a], judged[b])
		}
		return cmp.Compare(judged[b], judged[a])
	})
	size := max(1, min(len(order), int(math.Round(share*float64(len(order))))))
	for _, a := range order[:size] {
		j.top[a] = true
	}
	return j
}

// Describe is about architectures that are given once each.
func (j *Judge) Describe(space []int) (Description, error) {
	d := Description{
		SizeRatio: float64(len(space)) / nas.Size, MeanGain: j.gain(space), Recall: j.recall(space),
		Diversity: diversity(space), Pockets: float64(pockets(space)), Tau: math.NaN(),
	}
	if j.seen == nil || j.judged == nil {
		return d, nil
	}
	tau, err := stats.KendallTauB(pick(j.seen, space), pick(j.judged, space))
	d.Tau = tau.Value
	return d, err
}

// gain is NaN where nothing is left.
func (j *Judge) gain(space []int) float64 {
	if j.judged == nil {
		return math.NaN()
	}
	sum := 0.0
	for _, a := range space {
		sum += j.judged[a]
	}
	gain := sum/float64(len(space)) - j.mean
	if j.minimise {
		return -gain
	}
	return gain
}

func (j *Judge) recall(space []int) float64 {
	if j.judged == nil {
		return math.NaN()
	}
	held, all := 0, 0
	for _, a := range space {
		if j.top[a] {
			held++
		}
	}
	for _, t := range j.top {
		if t {
			all++
		}
	}
	return float64(held) / float64(all)
}

// diversity is counted by edge: two members agree there if they have one of the
// operations both. All 15,625 have 4.8.
func diversity(space []int) float64 {
	var counts [nas.NumEdges][nas.NumOps]float64
	for _, a := range space {
		for e, op := range nas.At(a) {
			counts[e][op]++
		}
	}
	n := float64(len(space))
	if n < 2 {
		return math.NaN()
	}
	total := 0.0
	for _, edge := range counts {
		same := 0.0
		for _, c := range edge {
			same += c * (c - 1)
		}
		total += 1 - same/(n*(n-1))
	}
	return total
}

// pockets counts the connected parts of the graph of single edits.
func pockets(space []int) int {
	unseen := make([]bool, nas.Size)
	for _, a := range space {
		unseen[a] = true
	}
	count := 0
	var stack []int
	for _, a := range space {
		if !unseen[a] {
			continue
		}
		count++
		unseen[a] = false
		for stack = append(stack, a); len(stack) > 0; {
			last := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for _, n := range nas.NeighbourIndices(last) {
				if unseen[n] {
					unseen[n] = false
					stack = append(stack, n)
				}
			}
		}
	}
	return count
}

func pick(values []float64, at []int) []float64 {
	out := make([]float64, len(at))
	for i, p := range at {
		out[i] = values[p]
	}
	return out
}
