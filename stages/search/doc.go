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
//	darts, gdas, rsps      train one network whose weights all architectures share
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
// regret and optimum are null, since nobody knows the best. What is left of a space is
// then described by its size and shape alone: mean_gain, recall and tau, which need
// values of all architectures, are null.
//
// autoshrink searches by a score of a value and of multiply-accumulates, which by
// training are the trained network's. The random draws that it is compared with on a
// table would be as many trainings again: they are not made, and draws, gain and
// share_better are null.
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
// # Shared weights
//
// darts, gdas and rsps (random search with parameter sharing, by its name in
// NATS-Bench) train a supernet, which holds all operations on every edge, by engine
// torch (see stages/nn/torch, Supernet). They ask no objective: a table has no weights
// to share, and they refuse it. The weights are trained on the training split. The
// validation split trains the logits of darts and gdas, in turn with the weights, and
// judges cells; the test split stays unseen.
//
// A cell's value is its metric on some samples of the validation split with the shared
// weights, batch normalisation by the batch's statistics. It is no estimate of what the
// cell comes to when it is trained by itself: for that there is retrain "cell". Values
// of runs are of other weights and, where the split is larger than validation_samples,
// of other samples: best is the run with the best value. History is, of darts and gdas,
// the cell of the logits after each epoch, and of rsps the candidates after the last;
// what a run would return if it stopped is the newest cell, not the best so far, so
// that a curve may fall, and rsps' curve is one point. Costs are epochs of the supernet.
// As in a search by training, report is the searched value, and regret and optimum are
// null.
//
// Beside the common outputs there are
//
//	epochs              a row a run and epoch: losses and metrics of the weights' steps
//	                    (train), of the logits' steps (validation), of the logits' cell
//	                    (cell), and the mean entropy of an edge's softmax, in nats
//	logits              a row a run, epoch, edge and operation; not of rsps
//	weights             a folder with run-N.safetensors: the shared weights
//	curves, operations  figures of the losses, and of the best run's softmax by edge;
//	                    operations not of rsps
//
// Not here: second-order DARTS, ENAS, SETN.
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
