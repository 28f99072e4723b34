package retrain

import (
	"fmt"
	"math"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
)

// writeCurves draws the metric over epochs, a line a seed.
func (r *retraining) writeCurves(out *stages.Output) error {
	var all []float64
	for _, t := range r.done {
		for _, e := range t.Epochs {
			all = append(all, e.TrainMetric, valueOr(e.ValidMetric))
		}
	}
	low, high := figure.Range(all)
	low = min(low, 0)
	if high == low {
		high = low + 1
	}
	valid := !math.IsNaN(last(r.done[0].Epochs))
	words := fmt.Sprintf("%s over %d epochs of %d trainings.", metricName(r.recipe.Metric), r.recipe.Epochs, len(r.done))
	c := figure.New(620, 360, "Training curves", words)
	p := figure.Panel{X: 84, Y: 56, W: 510, H: 240, MinX: 0, MaxX: float64(max(r.recipe.Epochs, 1)), MinY: low, MaxY: high}
	p.Plate(c)
	p.AxisX(c, figure.Ticks(p.MinX, p.MaxX, 5))
	p.AxisY(c, figure.Ticks(low, high, 5))
	for _, t := range r.done {
		x, train, validation := make([]float64, len(t.Epochs)), make([]float64, len(t.Epochs)), make([]float64, len(t.Epochs))
		for i, e := range t.Epochs {
			x[i], train[i], validation[i] = float64(e.Epoch+1), e.TrainMetric, valueOr(e.ValidMetric)
		}
		p.Curve(c, x, train, figure.Categories[1], 1.6, "")
		p.Curve(c, x, validation, figure.Categories[2], 1.6, "")
	}
	c.Line(p.X, 30, p.X+28, 30, figure.Categories[1], 3)
	c.Small(p.X+34, 35, figure.Start, "trained on")
	if valid {
		c.Line(p.X+140, 30, p.X+168, 30, figure.Categories[2], 3)
		c.Small(p.X+174, 35, figure.Start, "validation")
	}
	c.Small(p.X+p.W/2, p.Y+p.H+42, figure.Middle, "epochs")
	c.SmallUpright(24, p.Y+p.H/2, metricName(r.recipe.Metric))
	return r.setFigure(out, "curves", c)
}

// metricName is what epochs report of a metric.
func metricName(m nn.Metric) string {
	if m.OfSet() {
		return "loss"
	}
	return map[nn.Metric]string{
		nn.ZeroOneError: "error", nn.MetricRelativeL2: "relative L2 error", nn.MetricMSE: "mean squared error", nn.MetricLoss: "loss",
	}[m]
}

// Sizes of the figure of fields, in its own units.
const (
	fieldSide = 138.0
	fieldStep = 150.0
	mostRows  = 4
)

// writeFields draws input, target, output and the error of the first test samples:
// of the first channel each. Target and output share their colours.
func (r *retraining) writeFields(out *stages.Output) error {
	n := min(r.examples(), mostRows)
	if n == 0 || r.prepared.Form != nn.Dense {
		out.Set("fields", cty.NullVal(stages.FileType))
		return nil
	}
	test, err := r.data.Examples(n)
	if err != nil {
		return err
	}
	width, height := r.prepared.Input.Width, r.prepared.Input.Height
	high := fieldSide * min(2, float64(height)/float64(width))
	c := figure.New(4*fieldStep+12, 40+float64(n)*(high+34), "Fields of the test split",
		fmt.Sprintf("Input, target, output of the network and the absolute difference for %d samples of the test split.", n))
	for i, title := range []string{"input", "target", "output", "|difference|"} {
		c.Small(12+float64(i)*fieldStep, 28, figure.Start, title)
	}
	for s := range n {
		input, target, output := plane(test.Inputs, s, width*height), plane(test.Targets, s, width*height), plane(r.done[0].Outputs, s, width*height)
		if r.recipe.Loss == nn.BCE { // outputs are logits, and targets probabilities
			for i, v := range output {
				output[i] = 1 / (1 + math.Exp(-v))
			}
		}
		difference := make([]float64, len(target))
		for i := range target {
			difference[i] = math.Abs(output[i] - target[i])
		}
		y := 40 + float64(s)*(high+34)
		low, top := figure.Range(target)
		bottom, peak := figure.Range(input)
		for i, f := range []field{{input, bottom, peak}, {target, low, top}, {output, low, top}, {difference, 0, (top - low) / 2}} {
			x := 12 + float64(i)*fieldStep
			c.Field(x, y, fieldSide, high, f.values, width, f.low, f.high)
			c.Small(x, y+high+18, figure.Start, fmt.Sprintf("%.3g to %.3g", f.low, f.high))
		}
	}
	return r.setFigure(out, "fields", c)
}

// field is an image and the values at the ends of its colours.
type field struct {
	values    []float64
	low, high float64
}

// plane is the first channel of a sample.
func plane(a nn.Array, sample, size int) []float64 {
	out := make([]float64, size)
	for i := range out {
		out[i] = float64(a.Sample(sample)[i])
	}
	return out
}

func (r *retraining) setFigure(out *stages.Output, name string, c *figure.Canvas) error {
	return r.in.Save(out, name, name+".svg", c.Bytes())
}
