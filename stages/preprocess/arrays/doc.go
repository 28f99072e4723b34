// Package arrays is the stage kind `preprocess "arrays"`: .npy files, one a split,
// as a data folder that networks are trained on (see stages/training). The files of
// a kind are put one after the other; dataset.json says which samples are whose.
package arrays
