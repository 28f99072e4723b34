package mersenne

import "math/bits"

// Twister is a generator.
type Twister struct {
	state [624]uint32
	next  int
}

// CPython is random.seed(seed) of CPython 3 (Modules/_randommodule.c): init_by_array
// with the one word.
func CPython(seed uint32) *Twister {
	r := NumPy(19650218)
	i := 1
	step := func() {
		if i++; i == len(r.state) {
			r.state[0], i = r.state[len(r.state)-1], 1
		}
	}
	for range r.state {
		p := r.state[i-1]
		r.state[i] = (r.state[i] ^ (p^p>>30)*1664525) + seed
		step()
	}
	for range len(r.state) - 1 {
		p := r.state[i-1]
		r.state[i] = (r.state[i] ^ (p^p>>30)*1566083941) - uint32(i)
		step()
	}
	r.state[0] = 1 << 31
	return r
}

// Uint32 is the next word: getrandbits(32).
func (r *Twister) Uint32() uint32 {
	if r.next == len(r.state) {
		r.refill()
	}
	y := r.state[r.next]
	r.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (r *Twister) refill() {
	const n, m = 624, 397
	for k := range n {
		y := r.state[k]&(1<<31) | r.state[(k+1)%n]&(1<<31-1)
		v := r.state[(k+m)%n] ^ y>>1
		if y&1 != 0 {
			v ^= 0x9908b0df
		}
		r.state[k] = v
	}
	r.next = 0
}

// Below draws, as CPython's _randbelow_with_getrandbits does, from 0 to n-1: getrandbits(n.bit_length()) until it is below n.
func (r *Twister) Below(n uint32) uint32 {
	k := bits.Len32(n)
	for {
		if v := r.Uint32() >> (32 - k); v < n {
			return v
		}
	}
}

// NumPy is numpy.random.RandomState(seed): the generator's own seeding with one word.
func NumPy(seed uint32) *Twister {
	r := &Twister{next: 624}
	r.state[0] = seed
	for i := 1; i < len(r.state); i++ {
		r.state[i] = 1812433253*(r.state[i-1]^r.state[i-1]>>30) + uint32(i)
	}
	return r
}

// Permutation is RandomState.permutation(n): 0 to n-1 in random order. NumPy
// promises that RandomState's streams stay as they are.
func (r *Twister) Permutation(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := r.interval(uint32(i))
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// interval draws from 0 to most, by masking and rejection: NumPy's random_interval.
func (r *Twister) interval(most uint32) uint32 {
	mask := uint32(1)<<bits.Len32(most) - 1
	for {
		if v := r.Uint32() & mask; v <= most {
			return v
		}
	}
}
