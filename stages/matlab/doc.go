// Package matlab reads arrays of numbers from MATLAB's .mat files: version 5
// ("MAT-File Format", MathWorks; compressed or not, of either byte order), which
// MATLAB's save writes by default, and version 7.3, which is HDF5 (package hdf5).
//
// Blocks streams: an array larger than memory is had in parts, each once. It is for
// real, full, numeric arrays, and refuses others (complex and sparse ones, cells,
// structures, texts) and version 4 with a remedy. It writes nothing.
//
// Shapes are as in MATLAB, and the first axis moves fastest.
package matlab
