// Package table holds benchmark tables: named columns of equal length, with a
// kind, a unit and a source each.
//
// It has three parts. Readers turn published files into a Table: CSV, Parquet,
// the pickles of NATS-Bench, pandas and numpy (Read chooses by the file's first
// bytes). Operations select, filter, join and concatenate tables without
// changing their operands. Encode and Decode are the one artifact format in
// which tables pass from stage to stage; equal tables have equal bytes.
//
// Tables about the NAS-Bench-201 space follow one convention: the first column
// is named architecture and holds the cell's number in the benchmark's order
// (package nas). Readers establish it; see Options.
//
// Files come from strangers. Decoders are bounded in memory by Limits and by
// their input's size, return errors instead of panics, and run nothing: a
// pickle may name only the classes of an allow-list, which are plain data here.
//
// It computes no statistics and knows no task: that is for the packages that
// use the tables. It fetches nothing: readers take bytes.
package table
