// Package zerocostproxies is the stage kind `preprocess "zero_cost_proxies"`: a
// table of scores of untrained NAS-Bench-201 cells, for hypotheses and searches
// to hold against measured accuracies:
//
//	preprocess "zero_cost_proxies" "scores" {
//	  sample  = 1000       # of all 15,625 architectures, drawn by the seed
//	  proxies = ["synflow", "params", "flops"]
//	  classes = 100
//	}
//
//	hypothesis "rank_transfer" "proxies_work" {
//	  tables = [preprocess.scores.table, preprocess.accuracies.table]
//	  from   = "cifar100"
//	  to     = ["synflow", "params", "flops"]
//	  better = { synflow = "higher", params = "higher", flops = "higher" }
//	}
//
// The scores themselves, their definitions and sources are those of package
// nn/proxies. Here it is decided what is scored, on which batch, and what becomes
// of it:
//
// One architecture of an isomorphism class (nas.Classes), that with the smallest
// number, is scored for all members that are asked for; params and flops are each
// member's own, since parts that no signal passes count.
//
// Initial weights come from the node's seed and a parameter's name (see
// nn.InitialWeights), and the batch from the seed alone: architectures are
// compared on the same batch, and what they have in common starts alike.
//
// An undefined score gets the number just below the lowest defined one, so that
// it ranks worst in every statistic of ranks; how many there are is an output.
//
// A batch of Gaussian images says less than one of data. Published correlations of
// all proxies but synflow, params and flops were found on batches of data.
//
// # Cost
//
// In the full skeleton (C = 16, N = 5, 32 x 32 pixels, batch 64, float32) a cell
// takes, in seconds of a core with AVX-512: synflow .04; fisher, grad_norm and snip
// together .4; jacob_cov .4; grasp 1.0 beside these. All proxies of all 6,466
// classes are 4 hours of a core, synflow alone is 5 minutes. A core holds up to
// 1.3 GB. Finished scores outlive a kill.
package zerocostproxies
