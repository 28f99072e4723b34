package kernel

// Geometry is the shape of a convolution of one image.
type Geometry struct {
	Channels, Height, Width int // of the input
	Outputs                 int // channels of the output
	Kernel                  [2]int
	Stride                  [2]int
	Dilation                [2]int
	Top, Bottom             int // padding
	Left, Right             int
}

// Size returns the height and width of the output.
func (g Geometry) Size() (height, width int) {
	height = (g.Height+g.Top+g.Bottom-g.Dilation[0]*(g.Kernel[0]-1)-1)/g.Stride[0] + 1
	width = (g.Width+g.Left+g.Right-g.Dilation[1]*(g.Kernel[1]-1)-1)/g.Stride[1] + 1
	return height, width
}

// Conv is a convolution prepared for one Set. It holds no data and may be used
// by several workers at once.
//
// A convolution that keeps the sides (stride 1) is computed on the padded
// image itself: its window is a list of offsets. The gradient of its input is
// the same kind of convolution, of the padded gradient with the turned
// kernel, and that of its weights is dot products of shifted rows. Others are
// lowered: the windows are copied into a matrix first.
type Conv[T Float] struct {
	Geometry
	set    *Set[T]
	direct bool

	outHeight, outWidth int
	depth               int // products of one output: channels x kernel area

	// Of the lowered input: what Tile and Dots read.
	inPlane, inStride int   // elements of a channel (direct) or of a row of the matrix; of an image
	offsets           []int // of the window's elements
	forward           grid

	// Of the padded gradient of the output.
	gradRow, gradPlane, gradStride, gradStart int
	gradLength                                int // of a channel, from its first element, a multiple of Lanes
	gradOffsets                               []int
	backward                                  grid

	group int // images that are worked on together
}

// groupBytes is the working memory that a group of images may take: a part of
// the second cache.
const groupBytes = 192 << 10

// slack is the number of elements that loops may read beyond an image.
const slack = 64

// NewConv prepares a convolution.
func NewConv[T Float](set *Set[T], g Geometry) *Conv[T] {
	c := &Conv[T]{Geometry: g, set: set, depth: g.Channels * g.Kernel[0] * g.Kernel[1]}
	c.outHeight, c.outWidth = g.Size()
	reach := [2]int{g.Dilation[0] * (g.Kernel[0] - 1), g.Dilation[1] * (g.Kernel[1] - 1)}
	c.direct = g.Stride == [2]int{1, 1} && g.Top+g.Bottom == reach[0] && g.Left+g.Right == reach[1]
	if c.direct {
		c.planDirect(reach)
	} else {
		c.planLowered()
	}
	bytes := 4 * (c.inStride + c.gradStride)
	c.group = max(1, min(8, groupBytes/bytes))
	c.planGrids()
	return c
}

func (c *Conv[T]) planDirect(reach [2]int) {
	width := c.Width + c.Left + c.Right
	c.inPlane = (c.Height + c.Top + c.Bottom) * width
	c.inStride = c.Channels * c.inPlane
	c.gradRow = width
	c.gradPlane = c.inPlane
	c.gradStart = (reach[0]-c.Top)*width + reach[1] - c.Left
	c.gradLength = roundUp((c.outHeight-1)*width+c.outWidth, c.set.Lanes)
	if c.gradStart+c.gradLength > c.gradPlane { // the last whole vector ends in the next channel's padding
		c.gradPlane = roundUp(c.gradStart+c.gradLength, c.set.Lanes)
	}
	c.gradStride = roundUp(c.Outputs, c.set.DotRows) * c.gradPlane
	c.offsets = windowOffsets(c.Channels, c.inPlane, width, c.Geometry)
	c.gradOffsets = windowOffsets(c.Outputs, c.gradPlane, width, c.Geometry)
}

func windowOffsets(channels, plane, width int, g Geometry) []int {
	var off []int
	for ch := range channels {
		for ky := range g.Kernel[0] {
			for kx := range g.Kernel[1] {
				off = append(off, ch*plane+ky*g.Dilation[0]*width+kx*g.Dilation[1])
			}
		}
	}
	return off
}

func (c *Conv[T]) planLowered() {
	area := c.outHeight * c.outWidth
	c.inPlane = roundUp(area, c.set.Lanes)
	c.inStride = c.depth * c.inPlane
	c.gradRow, c.gradPlane, c.gradLength = area, c.inPlane, c.inPlane
	c.gradStride = roundUp(c.Outputs, c.set.DotRows) * c.gradPlane
	for k := range c.depth {
		c.offsets = append(c.offsets, k*c.inPlane)
	}
	for ch := range c.Outputs {
		c.gradOffsets = append(c.gradOffsets, ch*c.gradPlane)
	}
}

func (c *Conv[T]) planGrids() {
	rows, width := c.outHeight, c.outWidth
	if !c.direct || c.Kernel == [2]int{1, 1} {
		rows, width = 1, rows*width
	}
	back, backWidth := c.Height, c.Width
	if c.Kernel == [2]int{1, 1} {
		back, backWidth = 1, back*backWidth
	}
	area := c.outHeight * c.outWidth
	for image := range c.group {
		c.forward.rows(image*c.inStride, image*c.Outputs*area, rows, width, c.gradRow, width, c.set.Lanes)
		if c.direct {
			c.backward.rows(image*c.gradStride, image*c.Channels*c.Height*c.Width, back, backWidth, c.gradRow, backWidth, c.set.Lanes)
		} else {
			c.backward.rows(image*c.gradStride, image*c.inStride, 1, c.inPlane, 0, 0, c.set.Lanes)
		}
	}
}

// Buffers is the working memory of one worker for any number of
// convolutions and pools. The zero value is ready.
type Buffers[T Float] struct {
	input, gradient, result, image []T
	temp                           tileBuffer[T]
}

// Zeros returns n zeros that are the caller's until it asks again.
func (b *Buffers[T]) Zeros(n int) []T { return zeroed(&b.image, n)[:n] }

// zeroed returns a slice of n zeros with slack behind it, reusing memory.
func zeroed[T Float](buf *[]T, n int) []T {
	if n += slack; cap(*buf) < n {
		*buf = make([]T, n)
		return *buf
	}
	*buf = (*buf)[:n]
	clear(*buf)
	return *buf
}

// PackForward lays the weights out for Forward, reusing dst.
func (c *Conv[T]) PackForward(dst, w []T) []T {
	return c.set.pack(dst, c.Outputs, c.depth, func(row, k int) T { return w[row*c.depth+k] })
}

// PackBackward lays the weights out for the gradient of the input: turned, for
// a direct convolution.
func (c *Conv[T]) PackBackward(dst, w []T) []T {
	if !c.direct {
		return c.set.pack(dst, c.depth, c.Outputs, func(row, k int) T { return w[k*c.depth+row] })
	}
	area := c.Kernel[0] * c.Kernel[1]
	return c.set.pack(dst, c.Channels, c.Outputs*area, func(row, k int) T {
		return w[k/area*c.depth+row*area+area-1-k%area]
	})
}

// lower prepares the input of some images: pads it, or copies its windows.
func (c *Conv[T]) lower(buf []T, x []T, images int, rectify bool) {
	size := c.Channels * c.Height * c.Width
	for i := range images {
		to, from := buf[i*c.inStride:], x[i*size:(i+1)*size]
		if !c.direct {
			c.windows(to, from, rectify)
			continue
		}
		start := c.Top*c.gradRow + c.Left
		for ch := range c.Channels {
			c.set.PadRows(to[ch*c.inPlane+start:], c.gradRow, from[ch*c.Height*c.Width:], c.Height, c.Width, rectify)
		}
	}
}

// windows copies the windows of one image into a matrix of depth rows.
func (c *Conv[T]) windows(dst, x []T, rectify bool) {
	k := 0
	for ch := range c.Channels {
		plane := x[ch*c.Height*c.Width:]
		for ky := range c.Kernel[0] {
			for kx := range c.Kernel[1] {
				c.window(dst[k*c.inPlane:], plane, ky*c.Dilation[0]-c.Top, kx*c.Dilation[1]-c.Left, rectify)
				k++
			}
		}
	}
}

func (c *Conv[T]) window(dst, plane []T, dy, dx int, rectify bool) {
	for y := range c.outHeight {
		iy := y*c.Stride[0] + dy
		if iy < 0 || iy >= c.Height {
			continue
		}
		row, to := plane[iy*c.Width:][:c.Width], dst[y*c.outWidth:][:c.outWidth]
		from, end := c.inside(dx)
		for x, ix := from, from*c.Stride[1]+dx; x < end; x, ix = x+1, ix+c.Stride[1] {
			to[x] = row[ix]
		}
	}
	if rectify {
		c.set.Rectify(dst[:c.outHeight*c.outWidth], dst[:c.outHeight*c.outWidth])
	}
}

// inside returns the output columns whose window's column dx is in the input.
func (c *Conv[T]) inside(dx int) (from, end int) {
	if dx < 0 {
		from = (-dx + c.Stride[1] - 1) / c.Stride[1]
	}
	return min(from, c.outWidth), max(0, min(c.outWidth, (c.Width-1-dx)/c.Stride[1]+1))
}

// Forward convolves images: x is (images, Channels, Height, Width), its
// negative values taken as zero if rectify; y is (images, Outputs, ...).
// After each image after is called with its number, while its output is in
// the cache.
func (c *Conv[T]) Forward(b *Buffers[T], packed, x []T, images int, rectify bool, y []T, after func(image int)) {
	size, area := c.Channels*c.Height*c.Width, c.outHeight*c.outWidth
	buf := zeroed(&b.input, c.group*c.inStride)
	vectors := len(c.forward.in) / c.group
	for lo := 0; lo < images; lo += c.group {
		n := min(c.group, images-lo)
		c.lower(buf, x[lo*size:], n, rectify)
		c.set.multiply(packed, c.offsets, buf, &c.forward, n*vectors, y[lo*c.Outputs*area:], c.Outputs, area, &b.temp)
		for i := range n {
			after(lo + i)
		}
	}
}

// Gradient is the gradient of a convolution's output: Scale dy + Slope z +
// Shift with one factor a channel, as batch normalisation gives it, or dy
// alone where Z is nil.
type Gradient[T Float] struct {
	DY, Z               []T // (images, Outputs, ...)
	Scale, Slope, Shift []T
}

// WeightsSize is the number of elements of a worker's sum of weight gradients.
func (c *Conv[T]) WeightsSize() int {
	return roundUp(c.Outputs, c.set.DotRows) * roundUp(c.depth, Shifts)
}

// Backward adds the gradient of the weights to sums (WeightsSize elements, see
// AddWeights) and that of the input to dx, where it is not nil; where x was
// rectified, only at positive x.
func (c *Conv[T]) Backward(b *Buffers[T], packed, x []T, images int, rectify bool, g Gradient[T], sums, dx []T) {
	size := c.Channels * c.Height * c.Width
	input := zeroed(&b.input, c.group*c.inStride)
	grads := zeroed(&b.gradient, c.group*c.gradStride)
	for lo := 0; lo < images; lo += c.group {
		n := min(c.group, images-lo)
		c.lower(input, x[lo*size:], n, rectify)
		for i := range n {
			c.spreadGradient(grads[i*c.gradStride:], g, lo+i)
		}
		c.weights(b, grads, input, n, sums)
		if dx != nil {
			c.inputs(b, packed, grads, x[lo*size:], n, rectify, dx[lo*size:])
		}
	}
}

// spreadGradient writes the gradient of one image's output with zeros around.
func (c *Conv[T]) spreadGradient(to []T, g Gradient[T], image int) {
	area := c.outHeight * c.outWidth
	rows, width := c.outHeight, c.outWidth
	if !c.direct {
		rows, width = 1, area
	}
	for ch := range c.Outputs {
		at := (image*c.Outputs + ch) * area
		dst := to[ch*c.gradPlane+c.gradStart:]
		if g.Z == nil {
			c.set.PadRows(dst, c.gradRow, g.DY[at:], rows, width, false)
		} else {
			c.set.PadCombine(dst, c.gradRow, g.DY[at:], g.Z[at:], rows, width, g.Scale[ch], g.Slope[ch], g.Shift[ch])
		}
	}
}

// weights adds to packed sums: element (row, k) is at
// (row/DotRows roundUp(depth, Shifts) + k) DotRows + row mod DotRows.
func (c *Conv[T]) weights(b *Buffers[T], grads, input []T, images int, sums []T) {
	depth := roundUp(c.depth, Shifts)
	for row := 0; row < c.Outputs; row += c.set.DotRows {
		from := grads[row*c.gradPlane+c.gradStart:]
		for k := 0; k < c.depth; k += Shifts {
			off := &b.temp.off
			for i := range off {
				off[i] = c.offsets[min(k+i, c.depth-1)]
			}
			c.set.Dots(c.gradLength, images, from, c.gradPlane, c.gradStride, input, off, c.inStride, sums[row*depth+k*c.set.DotRows:])
		}
	}
}

// AddWeights adds a worker's sums to dw (Outputs, Channels, kernel).
func (c *Conv[T]) AddWeights(dw, sums []T) {
	depth := roundUp(c.depth, Shifts)
	for row := range c.Outputs {
		panel := sums[row/c.set.DotRows*c.set.DotRows*depth+row%c.set.DotRows:]
		for k := range c.depth {
			dw[row*c.depth+k] += panel[k*c.set.DotRows]
		}
	}
}

// inputs adds the gradient of the input of some images.
func (c *Conv[T]) inputs(b *Buffers[T], packed, grads, x []T, images int, rectify bool, dx []T) {
	size, stride, rows, ldc := c.Channels*c.Height*c.Width, c.Channels*c.Height*c.Width, c.Channels, c.Height*c.Width
	if !c.direct {
		stride, rows, ldc = c.inStride, c.depth, c.inPlane
	}
	if n := c.group*stride + slack; len(b.result) < n {
		b.result = make([]T, n)
	}
	vectors := len(c.backward.in) / c.group
	c.set.multiply(packed, c.gradOffsets, grads, &c.backward, images*vectors, b.result, rows, ldc, &b.temp)
	for i := range images {
		from, mask, to := b.result[i*stride:], x[i*size:(i+1)*size], dx[i*size:(i+1)*size]
		switch {
		case !c.direct:
			c.collect(b, to, from, mask, rectify)
		case rectify:
			c.set.AddWhere(to, from[:size], mask)
		default:
			c.set.Add(to, from[:size])
		}
	}
}

// collect adds a matrix of windows back to the image they were taken from.
func (c *Conv[T]) collect(b *Buffers[T], dst, matrix, x []T, rectify bool) {
	sum := b.Zeros(len(dst))
	k := 0
	for ch := range c.Channels {
		plane := sum[ch*c.Height*c.Width:]
		for ky := range c.Kernel[0] {
			for kx := range c.Kernel[1] {
				c.collectWindow(plane, matrix[k*c.inPlane:], ky*c.Dilation[0]-c.Top, kx*c.Dilation[1]-c.Left)
				k++
			}
		}
	}
	if rectify {
		c.set.AddWhere(dst, sum, x)
	} else {
		c.set.Add(dst, sum)
	}
}

func (c *Conv[T]) collectWindow(plane, window []T, dy, dx int) {
	from, end := c.inside(dx)
	for y := range c.outHeight {
		iy := y*c.Stride[0] + dy
		if iy < 0 || iy >= c.Height || from >= end {
			continue
		}
		row := plane[iy*c.Width:][:c.Width]
		ix := from*c.Stride[1] + dx
		for _, v := range window[y*c.outWidth:][from:end] {
			row[ix] += v
			ix += c.Stride[1]
		}
	}
}
