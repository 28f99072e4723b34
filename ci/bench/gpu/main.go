// Gpu trains a NAS-Bench-201 network with the engine torch on a GPU, and prints as
// JSON how many images it did per second of wall time, start and first epoch left
// out. compare.py runs it beside a plain loop of PyTorch.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/torch"
)

func main() {
	var o options
	flag.StringVar(&o.python, "python", "python3", "interpreter with PyTorch")
	flag.StringVar(&o.cell, "cell", "", "the cell")
	flag.StringVar(&o.precision, "precision", "float32", "float32 or mixed")
	flag.IntVar(&o.batch, "batch", 256, "images a step")
	flag.IntVar(&o.steps, "steps", 40, "steps an epoch")
	flag.IntVar(&o.epochs, "epochs", 4, "measured epochs, after another one")
	flag.BoolVar(&o.describe, "describe", false, "print the network's description instead")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	python, cell, precision string
	batch, steps, epochs    int
	describe                bool
}

func run(o options) error {
	c, err := nas.Parse(o.cell)
	if err != nil {
		return err
	}
	n, err := nn.CellNetwork{Cell: c, Form: nn.Point, Input: nn.Shape{Channels: 3, Height: 32, Width: 32}, Channels: 16, Cells: 5, Outputs: 100, Init: nn.InitDefault}.Build()
	if err != nil {
		return err
	}
	if o.describe {
		return json.NewEncoder(os.Stdout).Encode(n)
	}
	e, err := torch.New(torch.Options{Python: o.python, Environment: os.Environ(), Device: torch.CUDA})
	if err != nil {
		return err
	}
	epochs := make([]time.Time, 0, 1+o.epochs)
	_, err = e.Train(context.Background(), job(n, o), nn.Hooks{Epoch: func(nn.EpochMetrics) { epochs = append(epochs, time.Now()) }})
	if err != nil {
		return err
	}
	seconds := epochs[o.epochs].Sub(epochs[0]).Seconds()
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{"per_second": float64(o.epochs*o.steps*o.batch) / seconds})
}

func job(n *nn.Network, o options) *nn.Job {
	images := o.batch * o.steps
	d := &nn.Dataset{Inputs: nn.Array{Shape: []int{images, 3, 32, 32}, Data: make([]float32, images*3*32*32)}}
	r := nn.Stream(1, "benchmark", 0)
	for i := range d.Inputs.Data {
		d.Inputs.Data[i] = float32(r.NormFloat64())
	}
	for range images {
		d.Labels = append(d.Labels, int32(r.IntN(100)))
	}
	return &nn.Job{Network: n, Seed: 1, Train: d, Recipe: nn.Recipe{
		Epochs: 1 + o.epochs, BatchSize: o.batch, Loss: nn.CrossEntropy, Metric: nn.ZeroOneError, Precision: nn.Precision(o.precision),
		Optimizer: nn.Optimizer{LearningRate: 0.01, Momentum: 0.9, Nesterov: true, WeightDecay: 5e-4}, Schedule: nn.Schedule{Name: nn.Constant},
	}}
}
