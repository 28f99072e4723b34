// Package cifar100 is the stage kind `preprocess "cifar100"`: the archive of CIFAR-100
// in its Python version (Krizhevsky 2009), as its home page has it, becomes a data
// folder.
//
// The archive holds two pickles of Python 2, train and test: dicts with data, 3072
// bytes an image (32 rows of 32 pixels, first all of red, then green, then blue), and
// fine_labels, 0 to 99. As NAS-Bench-360 does it, the first 80 % of the training
// images are for training, 40,000, and the rest for validation, 10,000.
//
// Pixels stay bytes. The folder says by which means and deviations networks see them:
// .5071, .4867, .4408 and .2675, .2565, .2761 of full scale. Crop, flip and cutout are
// training's.
//
// Nothing of a pickle is run (see stages/pickle), and the archive is not unpacked: the
// images alone are laid aside.
package cifar100
