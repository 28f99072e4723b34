// Package landscape is the stage kind `hypothesis "landscape"`: are architectures
// that look alike equally good? It describes the space of NAS-Bench-201 as a
// fitness landscape: 15,625 cells, each joined to the 24 that differ in one
// operation, with a task's value as height. It tests the locality that LISSNAS
// rests on (Gopal et al., IJCAI 2023): "structural similarity implies performance
// similarity".
//
// # What is computed, per task
//
//   - autocorrelation: of the values along a random walk, by lag. It is exact and
//     no walk is drawn: every cell has 24 neighbours, so that a long walk is as often
//     at each, and the correlation of a value with that k steps later follows from
//     the k-th power of the walk's matrix (Weinberger, Biol. Cybern. 1990). The same
//     of the ranks, since a few failing cells have much of a task's variance; and the
//     correlation length, -1/ln of the first lag's (Stadler, 1996).
//   - difference: the mean absolute difference of two cells by edit distance, 1 to 6;
//     of two cells of different classes; of any two cells. locality is the first over
//     the last; rise is by how much two cells differ more than two that are one edit
//     nearer.
//   - noise: two cells of one isomorphism class are one function trained twice.
//     noise_difference is their mean absolute difference, signal the share of the
//     task's variance that is not that of such repeats. One pair a class: its two
//     smallest numbers.
//   - local_optima: weak (no neighbour is better), strict (every neighbour is worse),
//     above_noise (better than every neighbour by more than noise_difference), and
//     chance, n/25: how many a shuffled table without ties would have.
//   - basins: from every cell to the best neighbour while that is better (best
//     improvement). Equal neighbours are a matter of `ties`: the lowest or the highest
//     number. A basin is what ends in the same weak optimum. Given are their count,
//     the mean of steps and, as shares of all starts, the largest basin and the starts
//     that end at the best value and among the best 1 % (top; top_other by the other
//     rule of ties).
//   - fitness_distance: Pearson's correlation of value and edit distance to the best
//     cell (Jones and Forrest, ICGA 1995). Values are turned so that higher is better:
//     below 0 the best cell attracts.
//
// Tasks in `rounding` have local optima and basins of the rounded values, too:
// averaging noise breaks ties, and a tie broken makes an optimum.
//
// # Exact and estimated
//
// The cells are a population: every number is exact for the table at hand. An
// interval answers "and with another draw of isomorphism classes?", and is given
// where the number is a mean over cells or pairs of cells. Resamples are not made:
// the interval is normal, by the influence of each class (stats.InfluenceInterval). A
// class that is drawn twice is two classes without pairs between them: if it were
// counted with the square of its weight, its inner pairs, one function, would make
// intervals several times as wide. In CIFAR-10 one class of 225 cells that learn
// nothing has half of the variance; there a bootstrap's standard error is a third
// larger.
//
// Local optima and basins have no interval: a redrawn space has other
// neighbourhoods.
//
// No random number is drawn. No verdict is formed here: that is for the `expect`
// blocks of the file.
package landscape
