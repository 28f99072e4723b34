// Package gpu finds the GPUs of this machine and tells whether one is of the model
// that a file asks for. It asks nvidia-smi, and keeps to those that
// CUDA_VISIBLE_DEVICES leaves to nbpipe. It also tells whether what a cluster calls its
// GPUs may be a model.
//
// It gives out nothing: which stage of a run has which GPU is package run's, and that no
// other process of the user has it is package lease's. What PyTorch finds, and which
// versions of CUDA, is package stages/nn/torch's.
package gpu
