// Package proxies scores untrained networks by the zero-cost proxies of
// Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS" (ICLR 2021), as
// their code (mohsaied/zero-cost-nas) defines them: one mini-batch, initial
// weights, no training.
//
// The variant decides what a proxy is worth, so it is fixed here. Batch
// normalisation is in training mode, except in synflow, where it is the
// identity. Scores are sums over the weights of convolutions and linear layers;
// biases and batch normalisation have none. A weight that the output does not
// depend on adds nothing. The loss is the mean cross-entropy of the batch.
//
// Gradients come from an nn.Engine. What an engine does not offer is computed
// here, on the CPU: synflow, whose network is linear, in float64, and the second
// derivative of grasp, exactly, in the job's precision. These know the operations
// of networks around NAS-Bench-201's cells; other networks are refused.
//
// A score that is not a finite number is undefined: it is given back as NaN,
// and it is for the caller to say how it ranks.
package proxies
