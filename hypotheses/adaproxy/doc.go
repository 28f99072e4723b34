// Package adaproxy is the stage kind `hypothesis "adaproxy"`: can a latency predictor
// of one device, the proxy, be adapted to another with few measurements, so that both
// rank architectures alike? AdaProxy is of Lu et al., "One Proxy Device Is Enough for
// Hardware-Aware Neural Architecture Search" (SIGMETRICS 2022, arXiv 2111.01203,
// section 4).
//
// # The predictor
//
// An architecture x is one-hot: five places for each of the six edges of a cell of
// NAS-Bench-201, and a constant, 31 in all. The proxy's predictor is linear, w =
// pinv(X) y over all its measured latencies y. X has rank 25, so that a
// pseudo-inverse needs a cut: singular values below 1e-8 of the largest count as
// zero.
//
// # The adaptation
//
// From n latencies y of the target, divided by their standard deviation (divisor n),
// a scalar a, an offset c and a vector b are found that minimise
//
//	||X (w o (a 1 + b)) + c - y||^2 / n + lambda ||b||_p,  p = 1 or 2,
//
// the norm not being squared, o the product by elements. lambda is the one whose
// predictions rank the validation samples best (Spearman), ties by the training
// samples, then the largest. Latencies are taken in the table's unit; since w is not
// scaled, lambda means something in that unit only (the authors' example uses
// seconds, and does not divide by the standard deviation).
//
// # How it is solved
//
// a and c are free, so that what they span is projected out of both sides: what is
// left is min ||A b - r||^2 / n + lambda ||b||.
//
//   - p = 2: b = 0 if ||A'r|| <= n lambda / 2. Else the solution is that of a ridge
//     regression, (A'A + m I) b = A'r with m = n lambda / (2 ||b||). With the singular
//     values of A, m ||b(m)|| grows with m, and m is found by bisection to the last
//     bit. One decomposition serves every lambda.
//   - p = 1: coordinate descent from the largest lambda to the smallest, each starting
//     where the one before ended, until the duality gap is below 1e-9 of ||r||^2 / n.
//
// # What is computed
//
// In each of `runs` runs other cells are drawn: `train` and `validation` of those that
// were measured on the target. Over all its other cells: SRCC of the adapted
// predictor (adapted), of the proxy's own (before), and the difference (gain), each a
// mean over runs with a 95 % percentile bootstrap interval, the run being the unit: it
// says what another draw of samples would do, on the same cells. A predictor that gives all cells the
// same latency ranks nothing and counts as 0. ceiling is the SRCC of the same linear
// model fitted to all of the target's latencies: what adaptation can hope for.
// reached_count is how many targets have a mean of at least `strong` after adaptation,
// below names the others; weak_count is how many are below it before, which the
// paper's flow adapts, and improved_count how many of these have a gain whose interval
// lies above 0.
//
// With `accuracy`, the cells that are Pareto-optimal by accuracy and predicted latency
// are compared with the target's own (see hypotheses/pareto), before and after: the
// search and the last step of the paper's flow.
//
// No verdict is formed here: that is for the `expect` blocks of the file.
package adaproxy
