package kernel

func native() []*Set[float32] {
	var list []*Set[float32]
	for _, s := range []*Set[float32]{avx512Set(), avx2Set()} {
		if s != nil {
			list = append(list, s)
		}
	}
	return list
}
