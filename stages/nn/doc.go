// Package nn describes neural networks, recipes and data, and the engines that
// train them.
//
// A Network is data: a list of nodes in topological order, with the names,
// shapes and initialisations of its parameters. Every engine builds the same
// function from the same description. What is random is drawn here, in Go,
// from named streams of the seed (see Stream): initial weights, the order of
// the samples, augmentation. Engines are handed the outcome, so that two of
// them start from the same weights and see the same batches.
//
// An Engine trains a Network by a Recipe, and computes gradients for tests and
// for zero-cost proxies. The sibling packages hold the engines; this one
// computes nothing on networks but shapes and counts.
//
// Activations are (batch, channels, height, width); a series has height 1.
// Samples of a Dataset carry no batch dimension in their shape.
package nn
