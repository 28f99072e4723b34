// Package fsd50k is the stage kind `preprocess "fsd50k"`: the clips of FSD50K
// (Fonseca et al., arXiv 2010.00475) as NAS-Bench-360 has them, chunks of one second
// at 22,050 Hz in a zip archive with csv files of clips, become a data folder of
// log-mel spectrograms.
//
// # Features
//
// What the repository computes (backbone/data_utils/audio_dataset.py), with
// torchaudio's defaults where it names nothing:
//
//   - a chunk shorter than a second is repeated until it is one;
//   - power spectrogram by FFTs of 1920 samples each 220, under a periodic Hann window
//     of 661 in the middle, frames centred, the signal mirrored at its ends: 101
//     frames;
//   - 96 mel bands from 0 Hz to 11,025 Hz: triangles on the scale 2595 log10(1 + f/700)
//     (HTK's, not Slaney's, which is librosa's default), of height 1;
//   - librosa's power_to_db with its defaults: 10 log10(max(1e-10, power)), at least
//     the chunk's maximum - 80;
//   - plus 75, minus the chunk's own mean.
//
// Arithmetic is of float64; the repository's is of float32.
//
// # Samples
//
// A sample is a chunk, a record is a clip; targets are 200 labels, 0 or 1, those of
// the clip's. Clips are in the order of the csv files, chunks of a clip in that of
// their names. Of training data the repository sees one random chunk a clip and epoch.
//
// Training mixes noise into chunks and masks them (SpecAugment). The noise is an
// array of the folder: the spectrograms of the noise files, cut into windows of 101
// frames; the augmentation itself is training's.
//
// # Memory
//
// The archive is read member by member: what is held is its index, the clips' numbers
// and a few spectrograms. An archive of 800,000 chunks takes 230 MB in all.
package fsd50k
