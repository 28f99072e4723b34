package nn

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
)

// Init says how a parameter starts.
type Init struct {
	Name InitName `json:"name"`
	Fan  int      `json:"fan,omitempty"` // kaiming_normal, fan_uniform
}

// InitName is the name of a distribution of initial values.
type InitName string

// The initialisations.
const (
	// KaimingNormal draws from N(0, 2/fan) (He et al., ICCV 2015); with
	// fan = out channels x kernel area it is fan_out.
	KaimingNormal InitName = "kaiming_normal"
	// FanUniform draws from U(-1/sqrt(fan), 1/sqrt(fan)): what PyTorch does by
	// default for convolutions and linear layers, fan = in channels x kernel
	// area (Kaiming uniform with a = sqrt(5)).
	FanUniform InitName = "fan_uniform"
	Zeros      InitName = "zeros"
	Ones       InitName = "ones"
)

func (i Init) validate() error {
	switch i.Name {
	case KaimingNormal, FanUniform:
		if i.Fan < 1 {
			return fmt.Errorf("init %s with a fan of %d; it must be at least 1", i.Name, i.Fan)
		}
		return nil
	case Zeros, Ones:
		if i.Fan != 0 {
			return fmt.Errorf("init %s takes no fan", i.Name)
		}
		return nil
	}
	return fmt.Errorf("unknown init %q; they are %s, %s, %s, %s", i.Name, KaimingNormal, FanUniform, Zeros, Ones)
}

// Stream returns the random stream of a seed for one purpose. Streams of
// different purposes or indices are independent: the ChaCha8 key is the SHA-256
// of the seed, the purpose and the index.
func Stream(seed uint64, purpose string, index uint64) *rand.Rand {
	text := binary.LittleEndian.AppendUint64(nil, seed)
	text = binary.LittleEndian.AppendUint64(text, uint64(len(purpose)))
	text = append(text, purpose...)
	text = binary.LittleEndian.AppendUint64(text, index)
	return rand.New(rand.NewChaCha8(sha256.Sum256(text)))
}

// InitialWeights draws the parameters and buffers of a network, each from the
// stream (seed, "parameter NAME", 0), so that a parameter's values depend on
// its name and not on what else the network has. Values are rounded to
// float32, whatever the precision of the training: all engines and precisions
// start from the same numbers.
func InitialWeights(n *Network, seed uint64) Weights {
	w := make(Weights, len(n.Parameters)+len(n.Buffers))
	for _, list := range [][]Parameter{n.Parameters, n.Buffers} {
		for _, p := range list {
			w[p.Name] = p.draw(Stream(seed, "parameter "+p.Name, 0))
		}
	}
	return w
}

func (p Parameter) draw(r *rand.Rand) Tensor {
	t := Tensor{Shape: append([]int(nil), p.Shape...), Data: make([]float64, p.Size())}
	scale := 1 / math.Sqrt(float64(max(p.Init.Fan, 1)))
	for i := range t.Data {
		switch p.Init.Name {
		case KaimingNormal:
			t.Data[i] = float64(float32(math.Sqrt2 * scale * r.NormFloat64()))
		case FanUniform:
			t.Data[i] = float64(float32(scale * (2*r.Float64() - 1)))
		case Ones:
			t.Data[i] = 1
		}
	}
	return t
}
