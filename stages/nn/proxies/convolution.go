package proxies

import (
	"gonum.org/v1/gonum/blas/gonum"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// convolution convolves single images in float64. One tap of the kernel, at
// one input channel, sees the input as a vector: for stride 1 a shifted part of
// the padded image, rows of a width of pitch, so that one long multiply-add a
// tap and output channel is all that there is to do. What falls between two
// rows of the result is dropped in the end.
//
// It is for synflow, which float32 overflows: package kernel has float64 in
// plain loops alone, which take 60 times as long.
type convolution struct {
	node          *nn.Node
	in, out       nn.Shape
	height, width int // of the padded image
	direct        bool
	pitch, length int // of a tap's vector
	padded        []float64
	taps          [][]float64 // by input channel, row, column of the kernel: as in a filter
	rows          []float64   // one channel of the result, in rows of pitch
}

func newConvolution(node *nn.Node, in, out nn.Shape) *convolution {
	c := &convolution{node: node, in: in, out: out}
	c.height, c.width = in.Height+node.Padding.Top+node.Padding.Bottom, in.Width+node.Padding.Left+node.Padding.Right
	c.direct = node.Stride == [2]int{1, 1}
	c.pitch, c.length = out.Width, out.Height*out.Width
	if c.direct {
		c.pitch, c.length = c.width, (out.Height-1)*c.width+out.Width
	}
	c.padded = make([]float64, in.Channels*c.height*c.width)
	c.rows = make([]float64, c.length)
	c.taps = make([][]float64, in.Channels*node.Kernel[0]*node.Kernel[1])
	for t := range c.taps {
		if at := c.start(t); c.direct {
			c.taps[t] = c.padded[at : at+c.length]
		} else {
			c.taps[t] = make([]float64, c.length)
		}
	}
	return c
}

// start is where a tap begins in the padded image.
func (c *convolution) start(tap int) int {
	kw := c.node.Kernel[1]
	area := c.node.Kernel[0] * kw
	row, column := tap%area/kw*c.node.Dilation[0], tap%kw*c.node.Dilation[1]
	return (tap/area*c.height+row)*c.width + column
}

// see prepares the taps of an image.
func (c *convolution) see(image []float64) {
	w := c.in.Width
	for row := range c.in.Channels * c.in.Height {
		copy(c.padded[c.paddedRow(row):], image[row*w:(row+1)*w])
	}
	if c.direct {
		return
	}
	for t, tap := range c.taps {
		at := c.start(t)
		for i := range tap {
			tap[i] = c.padded[at+c.strided(i)]
		}
	}
}

// paddedRow is where a row of the image, counted over all channels, begins in
// the padded image.
func (c *convolution) paddedRow(row int) int {
	channel, y := row/c.in.Height, row%c.in.Height
	return (channel*c.height+y+c.node.Padding.Top)*c.width + c.node.Padding.Left
}

// strided is the distance in the padded image of the result's element i from
// its first.
func (c *convolution) strided(i int) int {
	return i/c.out.Width*c.node.Stride[0]*c.width + i%c.out.Width*c.node.Stride[1]
}

// add adds the convolution of the image seen last to a result.
func (c *convolution) add(result, weight []float64) {
	area := c.out.Area()
	for o := range c.out.Channels {
		clear(c.rows)
		for t, w := range weight[o*len(c.taps) : (o+1)*len(c.taps)] {
			axpy(w, c.taps[t], c.rows)
		}
		to := result[o*area : (o+1)*area]
		for y := range c.out.Height {
			axpy(1, c.rows[y*c.pitch:y*c.pitch+c.out.Width], to[y*c.out.Width:(y+1)*c.out.Width])
		}
	}
}

// addBack adds to an image's gradient what comes from its result's gradient.
func (c *convolution) addBack(image, result, weight []float64) {
	clear(c.padded)
	if !c.direct {
		for _, tap := range c.taps {
			clear(tap)
		}
	}
	area, w := c.out.Area(), c.in.Width
	for o := range c.out.Channels {
		clear(c.rows)
		for y := range c.out.Height {
			copy(c.rows[y*c.pitch:], result[o*area+y*c.out.Width:][:c.out.Width])
		}
		for t, v := range weight[o*len(c.taps) : (o+1)*len(c.taps)] {
			axpy(v, c.rows, c.taps[t])
		}
	}
	if !c.direct {
		for t, tap := range c.taps {
			at := c.start(t)
			for i, v := range tap {
				c.padded[at+c.strided(i)] += v
			}
		}
	}
	for row := range c.in.Channels * c.in.Height {
		axpy(1, c.padded[c.paddedRow(row):][:w], image[row*w:(row+1)*w])
	}
	clear(c.padded)
}

// axpy adds a x to y.
func axpy(a float64, x, y []float64) {
	gonum.Implementation{}.Daxpy(len(x), a, x, 1, y, 1)
}
