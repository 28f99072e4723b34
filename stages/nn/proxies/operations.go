package proxies

import (
	"fmt"

	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/nn/kernel"
)

// known reports the first live operation that neither the linear flow nor the
// second derivative has.
func known(n *nn.Network) error {
	for _, node := range n.Live() {
		switch node.Op {
		case nn.OpConv2d, nn.OpBatchNorm, nn.OpReLU, nn.OpAvgPool, nn.OpAdd, nn.OpGlobalAvgPool, nn.OpLinear, nn.OpZero:
		default:
			return fmt.Errorf("network %q: node %q: %s is none of the operations that synflow and grasp know", n.Name, node.Name, node.Op)
		}
	}
	return nil
}

// window is the part of a side of length that cell i of a pool's result sees.
func window(i, stride, pad, kernel, length int) (from, to int) {
	from = i*stride - pad
	return max(from, 0), min(from+kernel, length)
}

// averagePool pools planes, one after the other in both slices: columns of rows
// first.
func averagePool[T kernel.Float](n *nn.Node, in, out nn.Shape, x, y []T) {
	columns := make([]T, in.Width)
	for r := range len(y) / out.Width {
		plane := x[r/out.Height*in.Area():]
		top, bottom := window(r%out.Height, n.Stride[0], n.Padding.Top, n.Kernel[0], in.Height)
		copy(columns, plane[top*in.Width:])
		for row := top + 1; row < bottom; row++ {
			for i, v := range plane[row*in.Width : (row+1)*in.Width] {
				columns[i] += v
			}
		}
		to := y[r*out.Width : (r+1)*out.Width]
		for i := range to {
			left, right := window(i, n.Stride[1], n.Padding.Left, n.Kernel[1], in.Width)
			var sum T
			for _, v := range columns[left:right] {
				sum += v
			}
			to[i] = sum / T((bottom-top)*(right-left))
		}
	}
}

// averagePoolBack adds the gradient of the pool's input to dx.
func averagePoolBack(n *nn.Node, in, out nn.Shape, dx, dy []float64) {
	columns := make([]float64, in.Width)
	for r := range len(dy) / out.Width {
		plane := dx[r/out.Height*in.Area():]
		top, bottom := window(r%out.Height, n.Stride[0], n.Padding.Top, n.Kernel[0], in.Height)
		clear(columns)
		for i, v := range dy[r*out.Width : (r+1)*out.Width] {
			left, right := window(i, n.Stride[1], n.Padding.Left, n.Kernel[1], in.Width)
			share := v / float64((bottom-top)*(right-left))
			for c := left; c < right; c++ {
				columns[c] += share
			}
		}
		for row := top; row < bottom; row++ {
			axpy(1, columns, plane[row*in.Width:(row+1)*in.Width])
		}
	}
}

// planeMeans averages planes of a size.
func planeMeans[T kernel.Float](area int, x, y []T) {
	for p := range y {
		var sum float64
		for _, v := range x[p*area : (p+1)*area] {
			sum += float64(v)
		}
		y[p] = T(sum / float64(area))
	}
}

// addLinear adds to y the linear layer of x at each pixel; both hold channels
// of area elements.
func addLinear(weight []float64, area int, x, y []float64) {
	in := len(x) / area
	for o := range len(y) / area {
		for i := range in {
			axpy(weight[o*in+i], x[i*area:(i+1)*area], y[o*area:(o+1)*area])
		}
	}
}
