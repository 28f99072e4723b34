// Package mersenne is the random generator MT19937 (Matsumoto and Nishimura, 1998)
// with what CPython and NumPy do with it, where an order or a split that others drew
// with it is to be drawn again. New draws use math/rand/v2.
package mersenne
