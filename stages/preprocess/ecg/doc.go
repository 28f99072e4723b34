// Package ecg is the stage kind `preprocess "ecg"`: single-lead heart recordings of
// the PhysioNet challenge of 2017 (Clifford et al., 2017) become a data folder of
// windows, as NAS-Bench-360 cuts them (backbone_1d/data_utils/load_data.py).
//
// The file is a pickle of a dict with data, an array or list of recordings of
// different lengths, and label: N (normal), A (atrial fibrillation), O (other rhythm)
// or ~ (too noisy), here 0 to 3. Nothing of it is run (see stages/pickle), and
// recordings are read one by one.
//
//   - Each recording is standardised by its own mean and standard deviation.
//   - Recordings are split 80/10/10 as scikit-learn's train_test_split does with
//     random_state 0: .2 of them are drawn first, and half of those are for the test.
//     NumPy's generator is drawn again, so that it is the same split.
//   - A window of 1,000 samples begins each 500 samples of a recording of class N, 83
//     of A, 250 of O and 25 of ~, as long as it ends before the last sample.
//
// Each window keeps the number of its recording, in the file's order, for the vote:
// see metrics.ECG. For its final training the repository draws another split (90/10)
// of all recordings; here it trains on training and validation data together.
package ecg
