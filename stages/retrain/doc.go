// Package retrain holds the stage kinds under the keyword `retrain`: an
// architecture is trained from the beginning, once a seed, and its error on the
// test split is what the experiment compares.
//
//	cell         a cell of NAS-Bench-201 in its network
//	wide_resnet  a wide residual network, the paper's default
//	resnet1d     a residual network for series
//
// Data, recipes and engines are those of stages/training: the paper's recipe for
// the task unless the block says otherwise. The test split is looked at once, by
// the weights after the last epoch; no epoch is chosen by it.
//
// # Outputs
//
//	test, validation   mean over seeds of the metric, 95 % interval, standard deviation
//	errors             the metric on the test split, a number a seed, in the order of seeds
//	results            a table with a row a seed
//	history            a table with a row a seed and epoch. Metrics of a whole set (mae8, f1_error
//	                   and so on) are computed after the last epoch: here the loss stands for them
//	weights            a folder with seed-N.safetensors; __metadata__ holds the network
//	examples           inputs, targets and outputs of the first test samples as .npy
//	curves, fields     figures; fields is null where outputs are no images
//	recipe             what was trained with, defaults filled in
//	parameters, macs   of the network; macs are multiply-accumulates a sample
//
// Intervals are Student's, over seeds. One seed has none. Where a split is missing
// its values are null.
//
// # Interruptions
//
// The state after each epoch is kept beside the cache until the result is there: a
// run that was killed goes on from the last epoch, with the same bits.
package retrain
