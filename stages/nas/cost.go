package nas

import "fmt"

// Skeleton is the network that a cell is put into: a 3x3 stem with Channels
// outputs, three stages of Cells cells at 1, 2 and 4 times the channels, a
// residual block with stride 2 between stages, global average pooling, and a
// linear layer.
type Skeleton struct {
	Channels      int // C: channels of the first stage
	Cells         int // N: cells in each stage
	InputChannels int
	Classes       int
	Height, Width int // of the input, multiples of 4; only FLOPs needs them
}

// The networks of the benchmark's tables (NAS-Bench-201, section 2).
var (
	CIFAR10        = Skeleton{Channels: 16, Cells: 5, InputChannels: 3, Classes: 10, Height: 32, Width: 32}
	CIFAR100       = Skeleton{Channels: 16, Cells: 5, InputChannels: 3, Classes: 100, Height: 32, Width: 32}
	ImageNet16_120 = Skeleton{Channels: 16, Cells: 5, InputChannels: 3, Classes: 120, Height: 16, Width: 16}
)

// Validate reports the first size that no network can have.
func (s Skeleton) Validate() error {
	for _, f := range []struct {
		name  string
		value int
	}{{"channels", s.Channels}, {"cells", s.Cells}, {"input channels", s.InputChannels}, {"classes", s.Classes}} {
		if f.value < 1 || f.value > 1<<16 {
			return fmt.Errorf("skeleton: %s is %d; it must be from 1 to %d", f.name, f.value, 1<<16)
		}
	}
	for _, side := range []int{s.Height, s.Width} {
		if side < 0 || side > 1<<16 || side%4 != 0 {
			return fmt.Errorf("skeleton: input of %d x %d; both sides must be multiples of 4, since two blocks halve them", s.Height, s.Width)
		}
	}
	return nil
}

// weights returns k, the sum over the cell's edges of a kernel's area (1 for
// nor_conv_1x1, 9 for nor_conv_3x3), and n, the number of convolutions.
func (c Cell) weights() (k, n int64) {
	for _, op := range c {
		switch op {
		case NorConv1x1:
			k, n = k+1, n+1
		case NorConv3x3:
			k, n = k+9, n+1
		}
	}
	return k, n
}

// Params returns the number of trainable parameters, as the benchmark counts
// them: edges that no signal passes count, too. Of a stage with C channels,
// every cell has k C^2 + 2 n C. Divide by 1e6 for the tables' unit.
func Params(c Cell, s Skeleton) int64 {
	k, n := c.weights()
	base, classes := int64(s.Channels), int64(s.Classes)
	total := 9*int64(s.InputChannels)*base + 2*base
	for stage := range 3 {
		ch := base << stage
		total += int64(s.Cells) * (k*ch*ch + 2*n*ch)
		if stage < 2 {
			total += residualWeights(ch) + 2*2*(2*ch)
		}
	}
	last := 4 * base
	return total + 2*last + last*classes + classes
}

// FLOPs returns the multiply-accumulates of one input, as the benchmark counts
// them: convolutions and the linear layer with its bias; batch normalisation,
// pooling, ReLU and sums are free, and edges that no signal passes count.
// Divide by 1e6 for the tables' unit.
func FLOPs(c Cell, s Skeleton) int64 {
	k, _ := c.weights()
	base, classes := int64(s.Channels), int64(s.Classes)
	area := int64(s.Height) * int64(s.Width)
	total := 9 * int64(s.InputChannels) * base * area
	for stage := range 3 {
		ch := base << stage
		total += int64(s.Cells) * k * ch * ch * area
		if stage < 2 {
			area /= 4
			total += residualWeights(ch) * area
		}
	}
	return total + (4*base+1)*classes
}

// residualWeights counts the convolution weights of the block from ch to 2 ch
// channels: two 3x3 and the 1x1 of the short cut.
func residualWeights(ch int64) int64 { return 9*ch*2*ch + 9*2*ch*2*ch + ch*2*ch }
