// Package darcyflow is the stage kind `preprocess "darcy_flow"`: the Darcy flow of Li et
// al. (Fourier Neural Operator, ICLR 2021), as NAS-Bench-360 takes it from their MATLAB
// files, becomes a data folder.
//
// The files, one for training and validation, one for tests, hold coeff and sol, of
// shape (1024, 421, 421): diffusion coefficients and pressures on the nodes of a grid.
// Every fifth node in both directions is kept: 85 x 85. Of the first file, 900 samples
// are for training and the next 100 for validation; of the second, the first 100 are
// for tests.
//
// The folder says that each node's coordinates join the inputs, and that both arrays
// are normalised for each node by the samples that are trained on; training does it.
//
// Files of MATLAB's versions 5 and 7.3 are read (see stages/matlab) block by block. A
// file in which samples lie side by side is read once, or several times where the
// nodes that are kept do not fit into memory.
//
// The same data can be made instead of fetched: `dataset "darcy_flow"`.
package darcyflow
