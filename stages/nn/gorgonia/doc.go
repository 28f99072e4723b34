// Package gorgonia is the training engine of the binary itself: no cgo, no
// other program.
//
// A network becomes an expression graph of gorgonia.org/gorgonia, forward and
// gradient, which gorgonia's TapeMachine runs. The operations are this
// package's own: of gorgonia's several are wrong (average pooling, global
// pooling's gradient, running statistics of batch normalisation) and those
// that are right are slow. Likewise the solver and the initial weights are not
// gorgonia's.
//
// Before the graph is built, nodes of the description are fused (see fuse): a
// ReLU before convolutions is taken while their input is padded, batch
// normalisations, pools and sums of one cell node are one pass, and the
// gradient of a batch normalisation is computed while the convolution before
// it reads it. So an edge of a cell stores one tensor for the way back.
//
// A gradient node is the gradient of one value: the sum of what all its
// consumers contribute. Parameters' gradients are side results of it, with a
// node of their own that reads them, since a gorgonia.Op has one result.
//
// Sums over a batch go over fixed parts of it, in order, so that equal jobs
// give equal bits for any number of threads. Kernels differ in the last bits:
// their name is part of the engine's version.
package gorgonia
