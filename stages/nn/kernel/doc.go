// Package kernel has the inner loops of training on the CPU: matrix products
// and what stands between them, for float32 in assembly where the processor
// allows, and in plain Go for every type.
//
// Two loops carry the arithmetic. Tile multiplies a panel of weights with
// vectors of an input that are found by offsets: with the offsets of a
// convolution's window it convolves a padded image in place, with those of a
// packed matrix it is the micro-kernel of a matrix product. Dots multiplies
// rows with shifted rows and sums along them: the gradient of the weights.
//
// All loops of a Set sum in a fixed order, so equal inputs give equal bits on
// every run. Sets differ from each other in the last bits (fused multiply-add,
// number of lanes); a Set's name says which it is, and results that depend on
// bits must name it.
package kernel
