package kernel

func native() []*Set[float32] {
	if s := avx2Set(); s != nil {
		return []*Set[float32]{s}
	}
	return nil
}
