// Package ninapro is the stage kind `preprocess "ninapro"`: surface electromyography of
// 18 hand gestures (NinaPro DB5), as NAS-Bench-360 has it, becomes a data folder.
//
// The files are NumPy's: recordings (samples, 52 times, 16 electrodes) and labels (0
// to 17), one file of each a split: 2,638, 659 and 659 samples. Networks see an
// electrode a row and a time a column; nothing is normalised or augmented.
package ninapro
