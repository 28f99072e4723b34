// Package subspace describes a part of the space of NAS-Bench-201, such as what a
// search that shrinks the space is left with: how small, how good, how complete and
// how diverse it is, and whether few epochs still rank it.
//
// The space-shrinking paper LISSNAS (Gopal et al., IJCAI 2023) has an index of its
// own, whose formula is not known to us; nothing here is it.
//
// It knows values and cells only, and neither files nor searches.
package subspace
