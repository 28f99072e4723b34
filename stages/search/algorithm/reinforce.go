package algorithm

import (
	"context"
	"math"

	"github.com/nbpipe/nbpipe/stages/nas"
)

// Reinforce is REINFORCE (Williams, Machine Learning 1992) as NATS-Bench runs
// it: a policy of independent softmaxes, one an edge, over 6 x 5 logits that
// start at 1e-3 N(0, 1); after each evaluation one step of Adam on
// -log p(a) (reward - baseline), where the baseline is an exponential moving
// average of the rewards that the present one enters first. Returned is the best
// architecture seen, not the policy's mode.
type Reinforce struct {
	LearningRate float64 // of Adam
	Momentum     float64 // of the baseline
}

// Search implements Algorithm. A reward is the objective's value.
func (a Reinforce) Search(ctx context.Context, r *Run) error {
	p := newPolicy(&r.Random)
	baseline := movingAverage{momentum: a.Momentum}
	for {
		cell := p.draw(&r.Random)
		reward, err := r.Evaluate(ctx, nas.Index(cell), r.Top())
		if err != nil {
			return err
		}
		if math.IsInf(reward, 0) {
			continue // a failure has no gradient
		}
		baseline.add(reward)
		p.step(cell, reward-baseline.value(), a.LearningRate)
	}
}

// movingAverage weighs a value by momentum to the power of its age, normalised.
type movingAverage struct{ momentum, numerator, denominator float64 }

func (m *movingAverage) add(v float64) {
	m.numerator = float64(m.momentum*m.numerator) + float64((1-m.momentum)*v)
	m.denominator = float64(m.momentum*m.denominator) + (1 - m.momentum)
}

func (m *movingAverage) value() float64 { return m.numerator / m.denominator }

// matrix has a row an edge and a column an operation.
type matrix [nas.NumEdges][nas.NumOps]float64

// policy holds the logits and Adam's moments (Kingma and Ba, ICLR 2015).
type policy struct {
	logits, first, second matrix
	steps                 int
}

func newPolicy(random *Source) *policy {
	p := new(policy)
	for e := range p.logits {
		for o := range p.logits[e] {
			p.logits[e][o] = 1e-3 * random.Normal()
		}
	}
	return p
}

// probabilities is the softmax of an edge's logits.
func (p *policy) probabilities(edge int) [nas.NumOps]float64 {
	top := math.Inf(-1)
	for _, l := range p.logits[edge] {
		top = max(top, l)
	}
	var out [nas.NumOps]float64
	sum := 0.0
	for o, l := range p.logits[edge] {
		out[o] = math.Exp(l - top)
		sum += out[o]
	}
	for o := range out {
		out[o] /= sum
	}
	return out
}

// draw takes an operation for every edge.
func (p *policy) draw(random *Source) nas.Cell {
	var c nas.Cell
	for e := range c {
		u := random.Float()
		probabilities := p.probabilities(e)
		for o := range nas.NumOps - 1 {
			if u -= probabilities[o]; u < 0 {
				break
			}
			c[e]++
		}
	}
	return c
}

// Adam's constants, those of its paper and of PyTorch.
const (
	beta1, beta2 = 0.9, 0.999
	epsilon      = 1e-8
)

// step descends the gradient of -log p(cell) advantage, which is
// advantage (p - 1) at the operation drawn and advantage p at the others.
func (p *policy) step(cell nas.Cell, advantage, rate float64) {
	p.steps++
	correct1 := 1 - math.Pow(beta1, float64(p.steps))
	correct2 := 1 - math.Pow(beta2, float64(p.steps))
	for e, drawn := range cell {
		probabilities := p.probabilities(e)
		probabilities[drawn]--
		for o, g := range probabilities {
			g *= advantage
			p.first[e][o] = float64(beta1*p.first[e][o]) + float64((1-beta1)*g)
			p.second[e][o] = float64(beta2*p.second[e][o]) + float64((1-beta2)*g*g)
			p.logits[e][o] -= rate * (p.first[e][o] / correct1) / (math.Sqrt(p.second[e][o]/correct2) + epsilon)
		}
	}
}
