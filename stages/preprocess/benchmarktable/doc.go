// Package benchmarktable is the stage kind `preprocess "benchmark_table"`: it
// turns a published file of measurements into the table that hypotheses and
// searches read.
//
// The steps, in this order: read the file; filter rows by its own columns; tie
// rows to architectures; select and rename columns; transform; round; set units;
// join other tables on the architecture. Filters use the file's names, the later
// steps the new ones.
//
// Formats are those of stages/nas/table, which also parses them; an error names
// the row and the column. Statistics belong to hypotheses.
package benchmarktable
