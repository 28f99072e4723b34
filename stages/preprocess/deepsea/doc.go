// Package deepsea is the stage kind `preprocess "deepsea"`: DNA sequences and which of
// 36 chromatin features each has (Zhou and Troyanskaya, 2015, filtered by
// NAS-Bench-360), a .npz archive, become a data folder.
//
// The archive holds x_train, x_val and x_test, (samples, 1000, 4), one-hot by base,
// and y_train, y_val and y_test, (samples, 36), 0 or 1. Inputs become (4, 1000), bases
// as channels. Nothing is normalised.
//
// Arrays are read sample by sample, in either of NumPy's orders.
package deepsea
