// Package satellite is the stage kind `preprocess "satellite"`: a million series of 46
// satellite measurements of land cover (Petitjean et al., 2012), as NAS-Bench-360 has
// them, become a data folder.
//
// The files are NumPy's: a dict with data (samples, 46) and label (1 to 24), pickled
// in an array without axes. Each series is standardised by its own mean and standard
// deviation. As many samples as there are test samples, the last ones of the training
// file, are for validation: 800,000, 100,000 and 100,000.
//
// Nothing of the pickle is run (see stages/pickle), and series are read one by one.
package satellite
