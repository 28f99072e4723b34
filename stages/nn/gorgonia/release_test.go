package gorgonia_test

import (
	"runtime"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/gorgonia"
)

// What a job takes is free when it ends: thousands of jobs may follow each other
// in one process.
func TestJobsAreFreed(t *testing.T) {
	n, err := nn.CellNetwork{
		Cell: nas.At(11), Form: nn.Point, Input: nn.Shape{Channels: 3, Height: 16, Width: 16}, Channels: 8, Cells: 1, Outputs: 10, Init: nn.InitDefault,
	}.Build()
	if err != nil {
		t.Fatal(err)
	}
	const samples = 64
	job := &nn.GradientJob{
		Network: n, Weights: nn.InitialWeights(n, 1), Loss: nn.SumOutputs, Precision: nn.Float32,
		Data: &nn.Dataset{Inputs: nn.Array{Shape: []int{samples, 3, 16, 16}, Data: make([]float32, samples*3*256)}},
	}
	inUse := func() int64 {
		if _, err := gorgonia.New().Gradients(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := inUse()
	for range 5 {
		inUse()
	}
	if grown := inUse() - before; grown > 2<<20 {
		t.Errorf("six jobs leave %d bytes behind", grown)
	}
}
