package nn

import "fmt"

// ResNet1D is the residual network for series of Wang, Yan and Oates (IJCNN
// 2017), as NAS-Bench-360 trains it.
type ResNet1D struct {
	Input   Shape // channels, 1, length
	Middle  int   // channels of the first block; the other two have twice as many. 64 in the paper
	Outputs int
	Init    Initialisation
}

// Build describes the network: three blocks of three convolutions with kernels
// 8, 5, 3 and "same" padding (the even kernel has one more zero at the end),
// each with batch normalisation and ReLU; where a block widens the channels,
// a 1x1 convolution with batch normalisation is added, else the block has no
// short cut, as in the authors' code; mean over the series, linear layer.
// Convolutions have no bias: batch normalisation takes it away again.
func (r ResNet1D) Build() (*Network, error) {
	if r.Input.Height != 1 {
		return nil, fmt.Errorf("resnet1d on an input of %s; a series has height 1", r.Input)
	}
	if r.Middle < 1 || r.Middle > 1<<14 || r.Outputs < 1 || r.Outputs > 1<<16 {
		return nil, fmt.Errorf("resnet1d with %d channels and %d outputs; they must be from 1 to %d and %d", r.Middle, r.Outputs, 1<<14, 1<<16)
	}
	b := newBuilder(fmt.Sprintf("resnet1d %d", r.Middle), r.Input, r.Init)
	h := InputName
	for i, ch := range []int{r.Middle, 2 * r.Middle, 2 * r.Middle} {
		h = b.seriesBlock(fmt.Sprintf("block%d", i+1), h, ch)
	}
	b.linear("classifier", b.globalAvgPool("pool", h), r.Outputs)
	return b.finish()
}

func (b *builder) seriesBlock(name, in string, ch int) string {
	h := in
	for i, kernel := range []int{8, 5, 3} {
		part := fmt.Sprintf("%s.part%d", name, i+1)
		h = b.series(part, h, ch, kernel)
		h = b.relu(part+".relu", b.batchNorm(part+".bn", h))
	}
	if b.shapes[in].Channels == ch {
		return h
	}
	short := b.batchNorm(name+".short.bn", b.series(name+".short", in, ch, 1))
	return b.sum(name, []string{h, short})
}

func (b *builder) series(name, in string, ch, kernel int) string {
	pad := Padding{Left: (kernel - 1) / 2, Right: kernel / 2}
	return b.conv(name+".conv", in, ch, [2]int{1, kernel}, [2]int{1, 1}, pad)
}
