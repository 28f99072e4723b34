// Package tablefile leaves tables in a stage's scratch folder as its outputs,
// in the one format in which tables pass between nodes (stages/nas/table).
package tablefile
