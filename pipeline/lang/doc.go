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
// panic, hang or take memory out of proportion: see source/scan.go for the limits of
// files, wrap.go for those of evaluation and functions/limits.go for those of values.
// A hostile file takes a few seconds and about a gigabyte at most.
//
// # After a syntax error
//
// A file with syntax errors is read block by block. A block goes from its first
// line to the first line that stands outside all brackets or, where brackets or
// quotes do not match, to the next line that begins with the keyword of a block
// at the same indentation. A block whose text has no syntax error is evaluated
// as ever. Of a block that has one only its syntax errors are reported, and
// nothing that could follow from it: every word of its text counts as a name
// that it may define, so that a reference to such a name is not "undefined", nor
// is an expression evaluated that has one. Attributes outside any block of such a
// file are not reported either, since the error may have cut them off from their
// block. A file of variables is read line by line in the same way; a syntax error
// in it shows the line only where the value belongs to a variable that is declared
// and not sensitive.
//
// The package computes no keys and knows no store (pipeline/plan), schedules
// nothing (pipeline/graph, pipeline/run), and does not know what a kind of node
// does (stages). Reading and parsing is lang/source, the functions that
// expressions may call are lang/functions, and the text of a problem is
// lang/diagnostic.
package lang
