package kernel

// Sets32 returns the sets for float32 that this processor can run, the fastest
// first. The last is Plain.
func Sets32() []*Set[float32] { return append(native(), Plain[float32]()) }
