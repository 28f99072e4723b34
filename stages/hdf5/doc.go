// Package hdf5 reads arrays of numbers from HDF5 files (HDF5 File Format
// Specification, version 3.0; superblocks 0 to 3), such as MATLAB's .mat files of
// version 7.3 are behind their first 512 bytes.
//
// It reads the datasets of the root group: compact, contiguous, or in chunks, found
// by a B-tree of version 1 or 2, by a fixed array, or without an index; deflated and
// shuffled. Blocks streams: it holds one chunk at a time. Damaged or hostile files are
// errors; nothing is allocated because a size says so, but for one chunk, which is
// bounded.
//
// Other things are refused with a remedy: groups of very many members (fractal
// heaps), axes without a limit (extensible arrays), other filters, compound types and
// texts. Checksums of metadata are not verified. It writes nothing.
//
// It is written here, and no library: what there is for Go (github.com/scigolib/hdf5
// v0.13.14) returns nothing of files of superblock 0, and refuses a user block; MATLAB
// writes both.
package hdf5
