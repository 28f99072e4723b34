// Package npy reads and writes arrays of numbers in NumPy's .npy format, versions
// 1.0 to 3.0 (numpy.lib.format), and reads archives of them (.npz, zip64 too):
// floating-point numbers of 2 (only read), 4 and 8 bytes, integers and bool.
//
// A Reader streams: it holds a block of the file and never the array, and
// believes nothing that the header says about sizes. Arrays of a known, bounded
// size can be had at once, in C order, from ReadAll.
//
// It is written here, and no library, because the one there is for Go
// (sbinet/npyio, last release in 2022) reads an array only as a whole, allocates
// what a header asks for, and panics on float16 and on objects.
//
// An array of objects is a pickle behind a header: stages/pickle reads it. Structured
// arrays and text are refused with a remedy. Tables of benchmarks are another matter:
// see stages/nas/table.
package npy
