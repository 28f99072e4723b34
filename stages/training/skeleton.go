package training

import (
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nn"
)

// Skeleton are the attributes of the network around a cell of NAS-Bench-201.
type Skeleton struct {
	Channels int `attr:"channels,key" default:"16" doc:"Channels of the first stage, C."`
	Cells    int `attr:"cells,key" default:"5" doc:"Cells of each stage, N."`
	Stages   int `attr:"stages,key" default:"3" doc:"Stages; each has twice the channels of the one before. 3 in the benchmark."`
}

// CheckSkeleton checks the attributes of Skeleton that are known.
func (p *Problems) CheckSkeleton(attrs stages.Attrs) {
	p.Whole(attrs, "channels", 1, 1<<12)
	p.Whole(attrs, "cells", 1, 1<<10)
	p.Whole(attrs, "stages", 1, nn.MaxStages)
}

// Network puts a cell into the skeleton, in the form that the data need.
func (s *Skeleton) Network(cell nas.Cell, p *Prepared) (*nn.Network, error) {
	return nn.CellNetwork{
		Cell: cell, Form: p.Form, Input: p.Input, Channels: s.Channels, Cells: s.Cells, Stages: s.Stages, Outputs: p.Outputs, Init: nn.InitDefault,
	}.Build()
}

// Memory estimates what a training takes, in bytes. It scales what was measured of
// the benchmark's network (16 channels, 5 cells, 3 stages, 32 x 32 pixels, batches
// of 32: 1.5 GB) by channels, cells and batch; images of other sizes need a
// resources block.
func (s *Skeleton) Memory(batch int) int64 {
	const fixed, measured = 256 << 20, 1.25e9
	cells := float64(s.Stages*s.Cells + s.Stages - 1)
	return fixed + int64(measured*float64(batch)/32*float64(s.Channels)/16*cells/17)
}

// Or is what a pointer points to, or another value.
func Or[T any](v *T, otherwise T) T {
	if v == nil {
		return otherwise
	}
	return *v
}
