// Package reference writes what an experiment file may say: every kind of node
// with its attributes and outputs, and every function. It is made from the code
// alone, so that it is never out of date. It is no guide: that is
// docs/writing-experiments.md.
package reference
