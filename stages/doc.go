// Package stages is what a node of an experiment can be: a registry of kinds,
// the values that pass between nodes, and the contract between a kind and the
// engine that runs it.
//
// A kind is a Go struct. Its fields, with tags, are the attributes of the HCL
// block; its methods say which outputs it has and how to make them:
//
//	type Stage struct {
//		File    stages.File       `attr:"file,key" doc:"The table to read."`
//		Columns map[string]string `attr:"columns,key,optional" doc:"New name to source column."`
//	}
//
// Tag options: key (the attribute is part of the node's key), optional, sensitive
// (the attribute takes sensitive values; never together with key), nodes (a list
// of references to nodes; the field is a []NodeInfo). A `default:"..."` tag holds
// the default as JSON; attributes that are null, omitted or equal to the default
// encode alike in the key.
//
// The package knows cty values, but no HCL syntax, no files of experiments and
// no scheduling: see pipeline/lang, pipeline/plan and pipeline/run.
package stages
