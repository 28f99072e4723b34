// Package nasbench201 is the stage kind `dataset "nas_bench_201"`: all 15,625
// cells of NAS-Bench-201 (Dong and Yang, ICLR 2020) as a table, with what can be
// known about a cell without training it: its notation, its isomorphism class,
// and the exact size and cost of the network that it makes in a skeleton.
//
// Nothing is fetched: the space is computed. Measured accuracies are tables of
// their own; see preprocess "benchmark_table".
package nasbench201
