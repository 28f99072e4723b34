// Package lang turns the files of an experiment into nodes: it reads HCL,
// resolves imports, variables, locals and for_each, finds the edges between
// nodes, and evaluates a node's attributes, resources and expectations as the
// outputs of other nodes become known.
//
// [Load] gives an [Experiment], which does not change afterwards. A [State]
// holds the outputs that are known so far; asking it for a node's attributes
// gives values that are unknown where a producer has not run yet, but always
// typed, so that [Experiment.Check] finds a misspelt member of an output before
// anything runs.
//
// Files may come from a stranger. Nothing here runs a program, opens a network
// connection, or reads a file outside the experiment's root, and no input may
// panic, hang or take memory out of proportion: see limits.go.
//
// The package computes no keys and knows no store (pipeline/plan), schedules
// nothing (pipeline/graph, pipeline/run), and does not know what a kind of node
// does (stages). Reading and parsing is lang/source, the functions that
// expressions may call are lang/functions, and the text of a problem is
// lang/diagnostic.
package lang
