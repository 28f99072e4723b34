package nn

// DropoutKey is what the masks of a dropout node in one step are made from.
type DropoutKey [2]uint32

// NewDropoutKey draws the key from the stream (seed, "dropout NODE", step);
// step counts the steps of all epochs from 0. Networks without a seed, as
// those of a GradientJob, have seed 0 and step 0.
func NewDropoutKey(seed uint64, node string, step int) DropoutKey {
	s := Stream(seed, "dropout "+node, uint64(step))
	return DropoutKey{s.Uint32(), s.Uint32()}
}

// Keeps reports whether element i of the batch's activation, counted in
// row-major order, is kept: whether a hash of 32 bits is at least
// rate x 2^32. Masks are hashed and not drawn, since engines make them on
// their devices, in any order.
func (k DropoutKey) Keeps(i uint32, rate float64) bool {
	return uint64(mix(mix(i^k[0])^k[1])) >= uint64(rate*(1<<32))
}

// mix is the hash "lowbias32" of C. Wellons: a bijection of 32 bits, each of
// which changes with probability 1/2 for a change of any other.
func mix(v uint32) uint32 {
	v ^= v >> 16
	v *= 0x7feb352d
	v ^= v >> 15
	v *= 0x846ca68b
	return v ^ v>>16
}
