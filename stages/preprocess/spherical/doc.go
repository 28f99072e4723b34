// Package spherical is the stage kind `preprocess "spherical"`: CIFAR-100 projected on
// the sphere (by the code of Cohen et al., Spherical CNNs, ICLR 2018), as NAS-Bench-360
// has it, becomes a data folder.
//
// The file is a gzipped pickle: a dict of train and test, each a dict with images
// (samples, 3, 60, 60) and labels (0 to 99). The first 80 % of the training images are
// for training, 40,000, and the rest for validation, 10,000. Pixels keep their values:
// nothing is normalised or augmented.
//
// Nothing of the pickle is run (see stages/pickle). The images are laid aside while
// they are inflated, and not held.
package spherical
