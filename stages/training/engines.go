package training

// The engines.
const (
	Gorgonia = "gorgonia"
	Torch    = "torch"
)
