//go:build linux

// Nn trains a NAS-Bench-201 network with the engine gorgonia, or multiplies
// matrices with its kernels, on one thread, and prints as JSON how much it did
// per second of processor time. compare.py runs it beside PyTorch.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/gorgonia"
	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

func main() {
	var (
		what     = flag.String("what", "train", "train, network (print the description) or gemm")
		cell     = flag.String("cell", "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|", "the cell")
		channels = flag.Int("channels", 8, "C")
		cells    = flag.Int("cells", 1, "N")
		batch    = flag.Int("batch", 64, "images a step")
		steps    = flag.Int("steps", 20, "measured steps, after two others")
		size     = flag.Int("size", 512, "side of the matrices")
	)
	flag.Parse()
	runtime.GOMAXPROCS(1)
	if err := run(*what, *cell, *channels, *cells, *batch, *steps, *size); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(what, cell string, channels, cells, batch, steps, size int) error {
	if what == "gemm" {
		return multiply(size, steps)
	}
	c, err := nas.Parse(cell)
	if err != nil {
		return err
	}
	n, err := nn.CellNetwork{Cell: c, Form: nn.Point, Input: nn.Shape{Channels: 3, Height: 32, Width: 32}, Channels: channels, Cells: cells, Outputs: 10, Init: nn.InitDefault}.Build()
	if err != nil {
		return err
	}
	if what == "network" {
		return json.NewEncoder(os.Stdout).Encode(n)
	}
	return train(n, batch, steps)
}

const warmUp = 2

func train(n *nn.Network, batch, steps int) error {
	d := &nn.Dataset{Inputs: nn.Array{Shape: []int{batch, 3, 32, 32}, Data: make([]float32, batch*3*32*32)}}
	r := nn.Stream(1, "benchmark", 0)
	for i := range d.Inputs.Data {
		d.Inputs.Data[i] = float32(r.NormFloat64())
	}
	for range batch {
		d.Labels = append(d.Labels, int32(r.IntN(10)))
	}
	job := &nn.Job{Network: n, Seed: 1, Train: d, Threads: 1, Recipe: nn.Recipe{
		Epochs: warmUp + steps, BatchSize: batch, Loss: nn.CrossEntropy, Metric: nn.MetricLoss, Precision: nn.Float32,
		Optimizer: nn.Optimizer{LearningRate: 0.01, Momentum: 0.9, Nesterov: true, WeightDecay: 5e-4}, Schedule: nn.Schedule{Name: nn.Constant},
	}}
	var start float64
	_, err := gorgonia.New().Train(context.Background(), job, nn.Hooks{Step: func(done, _ int) {
		if done == warmUp {
			start, _ = usage()
		}
	}})
	if err != nil {
		return err
	}
	end, memory := usage()
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{"per_second": float64(steps*batch) / (end - start), "memory": memory})
}

func multiply(size, times int) error {
	product := kernel.NewProduct(kernel.Sets32()[0])
	a, b, c := make([]float32, size*size), make([]float32, size*size), make([]float32, size*size)
	for i := range a {
		a[i], b[i] = float32(i%7), float32(i%5)
	}
	product.Gemm(size, size, size, a, size, b, size, c, size)
	start, _ := usage()
	for range times {
		product.Gemm(size, size, size, a, size, b, size, c, size)
	}
	end, memory := usage()
	flops := 2 * float64(size) * float64(size) * float64(size) * float64(times)
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{"per_second": flops / (end - start), "memory": memory})
}

// usage is the seconds of processor time so far, and the most memory in bytes.
func usage() (seconds, memory float64) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, float64(u.Maxrss) * 1024
}
