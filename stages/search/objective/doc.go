// Package objective is the seam between searches and what they search: an
// Objective evaluates architectures at a fidelity and says what that costs.
//
// Searches know nothing else of the world. A benchmark table is one objective
// (Table); training networks is another, which may train the trials of a batch
// at the same time, since values are returned in the order of the trials.
package objective
