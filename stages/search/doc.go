// Package search lists the stage kinds under the keyword `search`: algorithms
// that look for a good cell of NAS-Bench-201.
//
//	random                 draws architectures
//	regularized_evolution  mutates the best of a few, lets the oldest die
//	local_search           climbs to the best neighbour, starts again
//	reinforce              a policy's gradient
//	bananas                a predictor's favourites among mutants
//	hyperband, asha, bohb  few epochs for many architectures, many for few
//	lissnas                shrinks the space to pockets around good architectures
//	operation_pruning      shrinks the space by removing operations
//	autoshrink             removes edges
//
// A kind describes attributes and outputs. The algorithms themselves are in
// algorithm and know nothing of tables: they ask an objective (see objective), of
// which a benchmark table is one.
//
// # The seam
//
// An algorithm asks for batches of trials and gets their values in order. What
// evaluates them (training, say) may do so one by one or all at the same time, on
// any machine; it declares what an evaluation costs, so that a budget ends a run
// at the same trial everywhere. A search by training (attribute train) is another
// objective under the same algorithms, driver and outputs: an architecture's value
// is its metric on the validation split, there is no reported column beside it, and
// regret and optimum are null, since nobody knows the best.
//
// # What a run reports
//
// A search looks at one column (task), say validation accuracy after 12 epochs,
// and is judged by another (report), say test accuracy after 200. The incumbent of
// a run is the architecture that the search would return if it stopped: the best
// at the highest fidelity it has seen, by the searched column, ties by what came
// first. Its reported value is what curves and summaries are of. Since the
// searched column is not the reported one, a curve may fall.
//
// Regret is the distance of the reported value from the best of the table.
//
// # Intervals
//
// A table is fixed, so that chance enters by the runs alone: intervals are 95 %
// percentile bootstrap intervals of the mean over runs, the run being the unit.
//
// # Oracles
//
// A table that has one value an architecture, of the test set, makes task and
// report the same: what comes out says how fast an algorithm finds the best cell
// when it may look at the test set, and nothing about generalisation.
package search
