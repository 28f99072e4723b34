// Package pickle decodes Python's pickles, protocols 0 to 5 (CPython,
// Lib/pickletools.py), those of Python 2 and NumPy's arrays among them.
//
// It runs nothing: a pickle names classes and functions, and only those of an
// allow-list are known, which are plain data here. It is bounded: memory by
// Options.MaxBytes, time by Options.MaxOps, and nothing is allocated because a
// length says so.
//
// It streams: what is longer than a few KiB, the bytes of an array above all, is
// not held. It stays where it is in a file that can be read at any place
// (DecodeAt), or is laid aside in a file that the caller gives (Options.Spill),
// and is read from there when it is asked for.
//
// The result is made of nil, bool, int64, *big.Int, float64, string, *Bytes,
// *List, Tuple, *Dict, *Set, *Array and what the caller's own globals make. It can
// contain itself, so that whoever walks it must count the depth.
//
// What a str of Python 2 is, is not known: it is read as Latin-1, like
// pickle.load(file, encoding="latin1") does.
//
// It writes no pickles, and knows no file format that is made of them: for tables
// of benchmarks see stages/nas/table.
package pickle
