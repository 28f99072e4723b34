// Package latencytable is the stage kind `preprocess "latency_table"`: latencies
// that were published as bare lists, one file a device, beside one file that says
// which cells they are of, become a table with a row a cell and a column a device.
// That is how Lu et al. (SIGMETRICS 2022, arXiv 2111.01203) share what they took
// from nn-Meter, HW-NAS-Bench and Eagle.
//
// The file of cells has a row a cell: for each of the six edges a block of five
// zeros and ones, the one standing for the operation on that edge, and a constant 1
// that may be missing. Which block is which edge, and which place which operation,
// is not said in the files: `edges` and `operations` say what is assumed, and
// `hypothesis "edge_order"` tests it.
//
// Files of one cell and one number a row each (`cell` column, CSV) need none of
// this: `preprocess "benchmark_table"` reads them.
package latencytable
