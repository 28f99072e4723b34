// Package psicov is the stage kind `preprocess "psicov"`: distances between the
// residues of proteins and what is known of their sequences (Adhikari's PDNET, 2020),
// as NAS-Bench-360 has them, become a data folder.
//
// The archive holds deepcov.lst and psicov.lst with a protein a line, and of each
// protein features/ID.pkl and distance/ID-cb.npy in folders deepcov and psicov. The
// first 100 proteins of deepcov.lst are for validation, the other 3,356 for training,
// those of psicov.lst, 150, for tests.
//
// # Arrays
//
// Of each residue there are 27 features: secondary structure (ss, 3), a profile of the
// sequence's relatives (pssm, 22), accessibility to the solvent (sa), entropy; of each
// pair three: ccmpred, freecon (FreeContact), potential. A network sees them as 57
// channels, the order of PDNET's loader: see training.Pairs. What is not a number is 0.
//
// Targets are distances between C-beta atoms in angstrom, at least 1, at most 16; a
// residue's distance to itself is the mean of those to its neighbours. Padding and
// crops are training's.
//
// Proteins are read one by one, nothing of a pickle is run (see stages/pickle), and the
// archive is not unpacked.
package psicov
