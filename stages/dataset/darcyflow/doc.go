// Package darcyflow is the stage kind `dataset "darcy_flow"`: pairs of a random
// coefficient a and the steady flow's pressure u through it, made, not fetched.
//
//	-div(a grad u) = 1 on the unit square, u = 0 on its border,
//
// a = 12 where a Gaussian random field without constant mode is >= 0, else 3
// (Li et al., Fourier Neural Operator, ICLR 2021; NAS-Bench-360's task "Darcy
// Flow" samples 421 x 421 nodes by 5). The numerical scheme is that of the
// sibling package pde. The authors' own MATLAB scheme interpolates between cell
// centres and nodes and differs by about half a percent.
//
// The outputs:
//
//	data         a folder of the two arrays and dataset.json
//	coefficient  coeff.npy, float (samples, side, side)
//	solution     sol.npy, alike; the rows are the first coordinate
//	description  what dataset.json says: see Description
//
// side = (resolution-1)/subsample + 1. Sample i depends on seed, resolution and i
// alone, so that more samples are the same ones and others. Every sample is made
// on one core, many at a time.
package darcyflow
