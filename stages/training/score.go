package training

import (
	"fmt"

	"github.com/nbpipe/nbpipe/stages/metrics"
	"github.com/nbpipe/nbpipe/stages/nn"
)

// score is a metric of a whole set (nn.Metric.OfSet) of the outputs on data. Where
// targets are left out of the loss they are left out here.
func score(m nn.Metric, d *nn.Dataset, outputs nn.Array) (float64, error) {
	if m == nn.F1Error {
		return votes(d, outputs)
	}
	answers := &nn.Dataset{Targets: d.Targets, Counts: d.Counts, Pairs: d.Pairs}
	if p := d.Pairs; p != nil {
		targets := *p
		targets.Sequence, targets.Maps = nn.Array{}, nn.Array{}
		answers.Pairs = &targets
	}
	answers, err := answers.Load()
	if err != nil {
		return 0, err
	}
	targets := answers.Targets
	switch m {
	case nn.MAE8:
		return distances(answers.Pairs, outputs)
	case nn.MAPError:
		scores, of, err := metrics.Clips(outputs.Data, targets.Data, targets.Shape[1], recordsOf(d))
		if err != nil {
			return 0, err
		}
		found, err := metrics.MeanAveragePrecision(scores, of, targets.Shape[1])
		return found.Error, err
	case nn.AUROCError:
		found, err := metrics.MeanAUROC(outputs.Data, targets.Data, targets.Shape[1])
		return found.Error, err
	case nn.FalseNegativeRate, nn.PixelAUROCError:
		return pixels(m, outputs.Data, targets.Data, answers.Counts.Data)
	}
	return 0, fmt.Errorf("metric %q is none of a whole set", m)
}

// recordsOf gives each sample a record of its own where the data name none.
func recordsOf(d *nn.Dataset) []int32 {
	if d.Records != nil {
		return d.Records
	}
	out := make([]int32, d.Len())
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

func votes(d *nn.Dataset, outputs nn.Array) (float64, error) {
	voted, err := metrics.Vote(outputs.Data, d.Labels, recordsOf(d))
	if err != nil {
		return 0, err
	}
	classes := outputs.Shape[1]
	f, err := metrics.F1(voted.Predicted, voted.Truth, classes)
	if err != nil {
		return 0, err
	}
	return f.Error(classes), nil
}

// pixels judges a mask binarised where its probability is over .5.
func pixels(m nn.Metric, outputs, mask, counts []float32) (float64, error) {
	var ignored []float32
	if counts != nil {
		ignored = make([]float32, len(counts))
		for i, v := range counts {
			if v == 0 {
				ignored[i] = 1
			}
		}
	}
	c, err := metrics.Mask(outputs, mask, ignored, metrics.ProbabilityThreshold)
	if err != nil {
		return 0, err
	}
	if m == nn.FalseNegativeRate {
		return c.FNR()
	}
	return c.AUROCError()
}

// distances puts the windows of each record together. Windows of a record are
// neighbours, and cover it.
func distances(p *nn.Pairs, outputs nn.Array) (float64, error) {
	var lengths, records []int
	side := 0
	for i, w := range p.Windows {
		if i == 0 || w.Record != p.Windows[i-1].Record {
			records, lengths = append(records, w.Record), append(lengths, p.Lengths[w.Record])
			side = max(side, p.Lengths[w.Record])
		}
	}
	_, starts := p.Starts()
	predicted, target := make([]float32, len(records)*side*side), make([]float32, len(records)*side*side)
	for k, r := range records {
		for i := range lengths[k] {
			copy(target[(k*side+i)*side:][:lengths[k]], p.Targets.Data[starts[r]+i*lengths[k]:])
		}
	}
	k := -1
	for i, w := range p.Windows {
		if i == 0 || w.Record != p.Windows[i-1].Record {
			k++
		}
		p.Place(predicted[k*side*side:(k+1)*side*side], side, w, outputs.Sample(i))
	}
	found, err := metrics.MAE8(predicted, target, side, lengths)
	return found.MAE, err
}
