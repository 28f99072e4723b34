// Package datafolder writes the folders of arrays that networks are trained on: .npy
// files, samples along the first axis, and dataset.json, which says what they are
// (see stages/training). The kinds under `preprocess` that read a task's own files
// share it. Arrays are written as they come: none is held.
package datafolder
