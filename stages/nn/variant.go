package nn

import "slices"

// WithoutBatchNorm returns the network in which batch normalisations are
// identities, their parameters and buffers gone: what the proxy synflow scores
// (Tanaka et al., NeurIPS 2020).
func (n *Network) WithoutBatchNorm() *Network {
	out := *n
	stands := map[string]string{} // normalisation to what stands for it
	resolve := func(name string) string {
		if other, ok := stands[name]; ok {
			return other
		}
		return name
	}
	gone := map[string]bool{}
	out.Nodes = nil
	for _, node := range n.Nodes {
		node.Inputs = slices.Clone(node.Inputs)
		for i, in := range node.Inputs {
			node.Inputs[i] = resolve(in)
		}
		if node.Op == OpBatchNorm {
			stands[node.Name] = node.Inputs[0]
			for _, name := range []string{node.Weight, node.Bias, node.Mean, node.Variance} {
				gone[name] = true
			}
			continue
		}
		out.Nodes = append(out.Nodes, node)
	}
	out.Output = resolve(n.Output)
	drop := func(list []Parameter) []Parameter {
		return slices.DeleteFunc(slices.Clone(list), func(p Parameter) bool { return gone[p.Name] })
	}
	out.Parameters, out.Buffers = drop(n.Parameters), drop(n.Buffers)
	return &out
}
