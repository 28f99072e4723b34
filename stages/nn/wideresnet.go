package nn

import "fmt"

// WideResNet is a wide residual network (Zagoruyko and Komodakis, BMVC 2016)
// with pre-activation basic blocks, as NAS-Bench-360 trains it (depth 16,
// width 4).
type WideResNet struct {
	Form    Form
	Input   Shape
	Depth   int     // 6 n + 4
	Width   int     // factor on 16, 32, 64 channels
	Outputs int     // classes, or values a pixel
	Dropout float64 // between the two convolutions of a block
	Init    Initialisation
}

// Build describes the network. The point form halves the sides twice and ends
// in global average pooling and a linear layer. The dense form keeps the
// sides, starts with batch normalisation and ReLU of the input, and ends in a
// linear layer at each pixel.
func (w WideResNet) Build() (*Network, error) {
	if w.Depth < 10 || w.Depth > 1000 || (w.Depth-4)%6 != 0 {
		return nil, fmt.Errorf("wide residual network of depth %d; it must be 6 n + 4, from 10 to 1000", w.Depth)
	}
	if w.Width < 1 || w.Width > 1<<10 || w.Outputs < 1 || w.Outputs > 1<<16 {
		return nil, fmt.Errorf("wide residual network of width %d with %d outputs; they must be from 1 to %d and %d", w.Width, w.Outputs, 1<<10, 1<<16)
	}
	if w.Form != Point && w.Form != Dense {
		return nil, fmt.Errorf("wide residual network of form %q; the forms are %s and %s", w.Form, Point, Dense)
	}
	b := newBuilder(fmt.Sprintf("wide_resnet %s %d-%d", w.Form, w.Depth, w.Width), w.Input, w.Init)
	h := InputName
	if w.Form == Dense {
		h = b.relu("stem.relu", b.batchNorm("stem.bn", h))
	}
	h = b.square("stem.conv", h, 16, 3, 1)
	for stage := range 3 {
		stride := 1
		if stage > 0 && w.Form == Point {
			stride = 2
		}
		for i := range (w.Depth - 4) / 6 {
			h = b.wideBlock(fmt.Sprintf("stage%d.block%d", stage+1, i+1), h, 16*w.Width<<stage, stride, w.Dropout)
			stride = 1
		}
	}
	h = b.relu("last.relu", b.batchNorm("last.bn", h))
	if w.Form == Point {
		h = b.globalAvgPool("pool", h)
	}
	b.linear("classifier", h, w.Outputs)
	return b.finish()
}

func (b *builder) wideBlock(name, in string, ch, stride int, dropout float64) string {
	pre := b.relu(name+".relu1", b.batchNorm(name+".bn1", in))
	h := b.square(name+".conv1", pre, ch, 3, stride)
	h = b.relu(name+".relu2", b.batchNorm(name+".bn2", h))
	h = b.dropout(name+".dropout", h, dropout)
	h = b.square(name+".conv2", h, ch, 3, 1)
	short := in
	if b.shapes[in].Channels != ch {
		short = b.conv(name+".short.conv", pre, ch, [2]int{1, 1}, [2]int{stride, stride}, Padding{})
	}
	return b.sum(name, []string{short, h})
}
