// Package algorithm holds search algorithms over the cells of NAS-Bench-201
// that know nothing of tables, files or training: they ask an
// objective.Objective for values until their Run has spent its budget.
//
// # Runs
//
// A search is repeated in runs that share nothing. Run number i draws from its
// own PCG stream, seeded by the SHA-256 digest of the text "nbpipe search run", the
// node's seed and i (both as 8 little-endian bytes): so run 7 of 500 is run 7
// alone, in any order and on any number of cores. Streams for another purpose have
// its name in place of "run". Ties are broken by what came first.
//
// # Sources
//
// The protocol is that of NATS-Bench (Dong et al., TPAMI 2021; its code,
// AutoDL-Projects, exps/NATS-algos); each algorithm names its paper and says
// where it differs.
package algorithm
