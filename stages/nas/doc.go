// Package nas describes the cell space of NAS-Bench-201 (Dong and Yang, ICLR
// 2020), which NATS-Bench (Dong et al., TPAMI 2021) calls the topology search
// space: 4 nodes, 6 edges, 5 operations, 15,625 cells.
//
// It answers questions about cells alone: how a cell is written, which number
// it has in the benchmark's own order, which cells compute the same function,
// which lie one edit away, and how many parameters and multiply-accumulates
// the network built from a cell has. Everything is pure and exact, and nothing
// is read from files: the official order is recomputed.
//
// It holds no measurements: those are tables, see the sibling package table.
// It knows no experiment language and trains nothing.
package nas
