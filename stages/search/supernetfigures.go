package search

import (
	"fmt"
	"strings"

	"github.com/nbpipe/nbpipe/hypotheses/figure"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn/torch"
)

// series are values by epoch, a line a run.
type series struct {
	label  string
	colour string
	of     func(*torch.SupernetEpoch) float64
}

// writeCurves draws the supernet's losses over epochs and, where there are logits,
// their entropy below.
func (w *supernets) writeCurves(out *stages.Output) error {
	losses := []series{{"weights, training split", figure.Categories[1], func(e *torch.SupernetEpoch) float64 { return e.TrainLoss }}}
	top, height := 50.0, 350.0
	if w.algorithm != torch.Random {
		losses = append(losses,
			series{"logits, validation split", figure.Categories[2], func(e *torch.SupernetEpoch) float64 { return orNaN(e.ValidLoss) }},
			series{"cell of the logits, validation split", figure.Categories[3], func(e *torch.SupernetEpoch) float64 { return orNaN(e.CellLoss) }})
		top, height = 74, 660
	}
	c := figure.New(620, height, "Losses of the supernet", fmt.Sprintf("Losses of the supernet over %d epochs of %d runs, and the entropy of its logits where it has any.", w.Epochs, w.Runs))
	for i, s := range losses {
		x, y := 84+float64(i%2)*270, 24+float64(i/2)*24
		c.Line(x, y, x+28, y, s.colour, 3)
		c.Small(x+34, y+5, figure.Start, s.label)
	}
	w.lines(c, top, "loss ("+strings.ReplaceAll(string(w.options.Loss), "_", " ")+")", losses)
	if w.algorithm != torch.Random {
		w.lines(c, 374, "entropy (nats)", []series{{"", figure.Categories[4], func(e *torch.SupernetEpoch) float64 { return w.entropy(&e.Logits) }}})
	}
	return w.setFigure(out, "curves", c)
}

// lines draws a panel whose plot area begins at y.
func (w *supernets) lines(c *figure.Canvas, y float64, label string, all []series) {
	var values []float64
	for _, r := range w.done {
		for i := range r.Epochs {
			for _, s := range all {
				values = append(values, s.of(&r.Epochs[i]))
			}
		}
	}
	low, high := padded(values)
	p := figure.Panel{X: 84, Y: y, W: 510, H: 230, MinX: 0, MaxX: float64(w.Epochs), MinY: low, MaxY: high}
	p.Plate(c)
	p.AxisX(c, wholeTicks(w.Epochs))
	p.AxisY(c, figure.Ticks(low, high, 5))
	for _, r := range w.done {
		for _, s := range all {
			x, line := make([]float64, len(r.Epochs)), make([]float64, len(r.Epochs))
			for i := range r.Epochs {
				x[i], line[i] = float64(i+1), s.of(&r.Epochs[i])
			}
			p.Curve(c, x, line, s.colour, 1.8, "")
		}
	}
	c.Small(p.X+p.W/2, p.Y+p.H+42, figure.Middle, "epochs")
	c.SmallUpright(20, p.Y+p.H/2, label)
}

// padded is the range of values with some air, so that no line lies on the edge.
func padded(values []float64) (low, high float64) {
	low, high = figure.Range(values)
	air := 0.05 * (high - low)
	if air == 0 {
		air = max(0.05*max(high, -low), 1e-6)
	}
	return low - air, high + air
}

// wholeTicks are round numbers of epochs.
func wholeTicks(epochs int) []float64 {
	var out []float64
	for _, t := range figure.Ticks(0, float64(epochs), 5) {
		if t == float64(int(t)) {
			out = append(out, t)
		}
	}
	return out
}

// writeOperations draws the probability of each operation on each edge over the
// epochs of the run whose cell is returned.
func (w *supernets) writeOperations(out *stages.Output, best int) error {
	const left, width, high, across, down = 70.0, 232.0, 130.0, 300.0, 190.0
	c := figure.New(620, 60+3*down+14, "Operations on edges",
		fmt.Sprintf("Softmax of the logits of each edge's operations over %d epochs, run %d.", w.Epochs, w.FirstRun+best))
	for i, op := range nas.Ops() {
		x, y := left+float64(i%3)*180, 20+float64(i/3)*24
		c.Line(x, y, x+28, y, figure.Categories[i], 3)
		c.Small(x+34, y+5, figure.Start, op.String())
	}
	epochs := w.done[best].Epochs
	lines := make([][nas.NumEdges][nas.NumOps]float64, len(epochs))
	var all []float64
	for i := range epochs {
		lines[i] = probabilities(&epochs[i].Logits)
		for _, edge := range lines[i] {
			all = append(all, edge[:]...)
		}
	}
	low, top := padded(all)
	for e, edge := range nas.Edges() {
		p := figure.Panel{X: left + float64(e%2)*across, Y: 76 + float64(e/2)*down, W: width, H: high, MinX: 0, MaxX: float64(w.Epochs), MinY: low, MaxY: top}
		p.Plate(c)
		p.AxisX(c, wholeTicks(w.Epochs))
		p.AxisY(c, figure.Ticks(low, top, 3))
		for op := range nas.NumOps {
			x, y := make([]float64, len(epochs)), make([]float64, len(epochs))
			for i := range epochs {
				x[i], y[i] = float64(i+1), lines[i][e][op]
			}
			p.Curve(c, x, y, figure.Categories[op], 2, "")
		}
		c.Small(p.X, p.Y-6, figure.Start, "edge "+edge.String())
		if e >= 4 {
			c.Small(p.X+p.W/2, p.Y+p.H+40, figure.Middle, "epochs")
		}
	}
	c.SmallUpright(16, 76+1.5*down, "probability (softmax of the logits)")
	return w.setFigure(out, "operations", c)
}

func (w *supernets) setFigure(out *stages.Output, name string, c *figure.Canvas) error {
	return w.in.Save(out, name, name+".svg", c.Bytes())
}
