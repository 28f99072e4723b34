// Package torch is the engine that trains in PyTorch.
//
// A script that the binary carries (folder script, a few modules) is run by a
// Python interpreter of the user's: a network with its live nodes, a recipe
// and the paths of .npy and safetensors files go to it as one JSON file, and
// lines of JSON come back. Nothing is drawn in Python: weights, batches,
// augmentation and the keys of dropout are those that package nn draws, an
// epoch at a time, so that this engine and those in the process see the same.
// PyTorch 1.13 to the current one will do.
//
// PyTorch is told to be deterministic, and runs in a fixed number of threads,
// since the order of its sums depends on it. Equal jobs then give equal bits
// on the same device with the same versions; Engine.Version names these.
//
// The script runs in a session of its own with an environment of a few
// variables, and does not outlive nbpipe: a signal of the kernel ends it on
// Linux, the end of its standard input elsewhere, at the latest after the
// epoch. Files lie in a folder that is removed when the job ends, however it
// ends; the checkpoint alone stays.
package torch
