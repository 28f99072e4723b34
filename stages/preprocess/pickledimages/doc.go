// Package pickledimages turns images with labels that lie in pickles, one set for
// training and one for tests, into a data folder: what CIFAR-100 and Spherical
// CIFAR-100 have in common. The first 80 % of the training set are for training, the
// rest for validation.
//
// Images are read one by one from where package pickle has left them; pixels keep
// their values, and one byte each where they have one.
package pickledimages
