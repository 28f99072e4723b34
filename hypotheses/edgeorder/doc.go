// Package edgeorder is the stage kind `hypothesis "edge_order"`: were cells that came
// as bare codes decoded with the right order of edges and of operations? The latency
// files of Lu et al. (SIGMETRICS 2022) do not say which block of a code is which edge,
// and a wrong order gives plausible tables of wrong cells.
//
// # What is computed
//
// Every cell is decoded again with each of the 720 orders of its six edges and each of
// the 120 orders of the five operations. Two things that no decoder knew tell orders
// apart:
//
//   - accuracy: the share of the decoded cells among as many best cells of the table of
//     all accuracies. It tells where the cells were chosen by accuracy, whoever chose
//     them: only the right order finds them again.
//   - work: Spearman's rho between a device's latencies and the multiply-accumulates
//     on edges that lie on a path without `none` from input to output. Devices skip
//     dead edges, and which edges are dead depends on the order. (Multiply-accumulates
//     of all edges do not: they are the same in every order. So is the count of live
//     ones when a cell is read backwards.)
//
// An order's rank is one more than the number of orders with a larger value; first
// with nothing equal is the best evidence. This is a test of our reading of the files,
// not of a claim in a paper, and p-values would say nothing: orders are not draws.
package edgeorder
