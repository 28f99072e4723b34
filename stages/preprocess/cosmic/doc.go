// Package cosmic is the stage kind `preprocess "cosmic"`: images of the Hubble Space
// Telescope with masks of the cosmic rays in them (deepCR, Zhang and Bloom, 2020), two
// tar archives, become a data folder.
//
// The archives hold .npy files of (3, 256, 256): image, mask of cosmic rays, mask of
// pixels to ignore; files of two planes ignore nothing. A file's name begins with the
// number of its exposure, from 1; sky.npy in the same folder is the brightness of the
// sky in each exposure, 0 where there is no such file. Pixels 64 to 191 of both axes
// are kept: 128 x 128.
//
// Samples are in the order of their paths; of the training archive's the first 90 %
// are for training, the others for validation. The repository takes them in the order
// in which the file system lists them, which nobody can repeat.
//
// Training adds the sky, times a random number from -.9 to 3, to an image, and pixels
// to ignore do not count in the loss: counts and levels of the data's description. In
// evaluation the repository leaves no pixel out.
//
// Archives are read as streams, once for their names and once for their content.
package cosmic
