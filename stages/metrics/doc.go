// Package metrics holds the metrics by which NAS-Bench-360 (Tu et al., 2022, Table
// 1 and appendices) judges networks on its ten tasks. Each is an error: 0 is best.
//
//	CIFAR-100, Spherical, NinaPro, Satellite   ZeroOne
//	Darcy Flow                                 RelativeL2
//	PSICOV                                     MAE8
//	Cosmic                                     Mask: FNR of the preprint, AUROCError of the later code
//	FSD50K                                     Clips, then MeanAveragePrecision
//	ECG                                        ECG: majority vote of a record's windows, then F1
//	DeepSEA                                    MeanAUROC
//
// Functions are pure, of slices in row-major order, samples first. Scores are a
// network's outputs; targets of multi-label tasks are 0 or 1. Sums are of float64.
//
// # What is undefined
//
// A NaN among scores or predictions is an error, never a value: sorting would put
// it anywhere. A mean over labels or classes says which of them had no value of
// their own, since implementations differ there: see Labelwise and F1Scores.
//
// Losses, and the means that are taken while training, belong to stages/nn.
package metrics
