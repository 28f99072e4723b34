package adaproxy

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
)

// adaptation is the outcome of one run on one target.
type adaptation struct {
	lambda            float64
	train, validation float64   // SRCC on the samples
	before, adapted   float64   // SRCC on the cells that were not drawn
	predicted         []float64 // latencies of all cells, by the target's standard deviation
}

// adapt adapts predictor w to the latencies y of the cells x at the positions train,
// chooses lambda by those at validation, and scores on those at unseen. lambdas
// descend.
func adapt(x *mat.Dense, w, y []float64, train, validation, unseen []int, penalty string, lambdas []float64) (adaptation, error) {
	scale := deviation(pick(y, train))
	if !(scale > 0) {
		return adaptation{}, fmt.Errorf("the %d latencies drawn for training are all %v: draw more of them", len(train), y[train[0]])
	}
	scaled := pick(y, train)
	for i := range scaled {
		scaled[i] /= scale
	}
	p := newProblem(rows(x, train), w, scaled)
	best := adaptation{lambda: math.NaN()}
	var bestWeights []float64
	var bestOffset float64
	b := make([]float64, width)
	for _, lambda := range lambdas {
		var err error
		if penalty == absolutePenalty {
			err = p.absolute(lambda, b)
		} else {
			b, err = p.euclidean(lambda)
		}
		if err != nil {
			return adaptation{}, err
		}
		weights, c := p.predictor(w, b)
		on := func(at []int) float64 { return srcc(predict(rows(x, at), weights, c), pick(y, at)) }
		a := adaptation{lambda: lambda, train: on(train), validation: on(validation)}
		if math.IsNaN(best.lambda) || a.validation > best.validation || a.validation == best.validation && a.train > best.train {
			best, bestWeights, bestOffset = a, weights, c
		}
	}
	best.predicted = predict(x, bestWeights, bestOffset)
	best.adapted = srcc(pick(best.predicted, unseen), pick(y, unseen))
	best.before = srcc(pick(predict(x, w, 0), unseen), pick(y, unseen))
	return best, nil
}

// srcc is Spearman's rho; 0 where a side is constant, which ranks nothing.
func srcc(predicted, y []float64) float64 {
	c, err := stats.Spearman(tidied(predicted), y)
	if err != nil || math.IsNaN(c.Value) {
		return 0
	}
	return c.Value
}

// tidied rounds predictions to 1e-9 of the largest, so that cells with equal
// predictions tie, whatever the order in which their sums were rounded.
func tidied(predicted []float64) []float64 {
	largest := 0.0
	for _, v := range predicted {
		largest = max(largest, math.Abs(v))
	}
	if !(largest > 0) || math.IsInf(largest, 0) {
		return predicted
	}
	out := make([]float64, len(predicted))
	for i, v := range predicted {
		out[i] = math.Round(v / largest * 1e9)
	}
	return out
}

func pick(values []float64, at []int) []float64 {
	out := make([]float64, len(at))
	for i, p := range at {
		out[i] = values[p]
	}
	return out
}

// ceiling is the SRCC of the linear model fitted to all cells at the positions.
func ceiling(x *mat.Dense, y []float64, at []int) (float64, error) {
	w, err := fit(rows(x, at), pick(y, at))
	if err != nil {
		return 0, err
	}
	return srcc(predict(rows(x, at), w, 0), pick(y, at)), nil
}

// split takes the first cells of an order that have a latency for training, the next
// ones for validation; all others with a latency are unseen. unseen ascends.
func split(order []int, y []float64, train, validation int) (first, second, unseen []int) {
	for _, i := range order {
		switch {
		case math.IsNaN(y[i]):
		case len(first) < train:
			first = append(first, i)
		case len(second) < validation:
			second = append(second, i)
		default:
			unseen = append(unseen, i)
		}
	}
	slices.Sort(unseen)
	return first, second, unseen
}
