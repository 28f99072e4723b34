// Package spaceshrinking is the stage kind `hypothesis "space_shrinking"`: what is a
// shrunk space worth, beside one of the same size that was made in another way? It
// compares the pockets that LISSNAS keeps (Gopal et al., IJCAI 2023) with what is
// left when operations are removed, and with architectures drawn at random.
//
// # What is compared
//
// Searches that shrink the space (search "lissnas", search "operation_pruning") say
// which architectures each of their runs was left with. Of run i of each method
// everything is cut to the size of the smallest space by drawing from it uniformly,
// and a method `random` is added: as many architectures of the whole space. At that
// equal size, per task and method:
//
//   - mean_gain: by how much the average judged value is better than that of all;
//   - recall: the share of the true top (1 %) that is still there;
//   - diversity: the mean number of edits between two members;
//   - tau: tau-b of what the search saw and what it is judged by, inside; null where
//     these are one column.
//
// size_ratio and pockets (parts that no single edit joins) are those of the spaces
// before they were cut. advantage is the reference's value less another method's, run
// by run. tau_all is tau-b over all architectures.
//
// The paper's own index of shrinking has a formula that is not known to us: nothing
// here is it, and no number of the paper is claimed.
//
// # Intervals
//
// 95 % percentile bootstrap intervals of means over runs, the run being the unit: the
// tables are fixed. Those of tau_all are for another draw of isomorphism classes.
// Where task and report are one column, of the test set, a search has looked at what
// it is judged by: an oracle.
package spaceshrinking
