// Package pareto holds what hypotheses say of trade-offs between a cost, such as
// latency, and a value, such as accuracy: which points are Pareto-optimal, the
// hypervolume that some of them cover, and what is lost by choosing by another cost
// than the one that counts.
//
// Transfer is the last part of the flow of Lu et al. (SIGMETRICS 2022, arXiv
// 2111.01203, section 3): the points that are Pareto-optimal by a proxy's cost are
// measured on the target, and those that are not Pareto-optimal among them there
// are dropped.
//
// Everything is a pure function of slices: costs are better low, values high. A
// point whose cost or value is NaN does not take part.
package pareto
