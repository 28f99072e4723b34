package nn

import "testing"

// Masks keep the share that they should, and those of other seeds, nodes and
// steps are other masks: they agree as often as chance has it.
func TestDropoutKeys(t *testing.T) {
	const n, rate = 20000, 0.3
	base := NewDropoutKey(1, "a", 0)
	if base != NewDropoutKey(1, "a", 0) {
		t.Error("equal arguments give other keys")
	}
	for name, other := range map[string]DropoutKey{
		"seed": NewDropoutKey(2, "a", 0), "node": NewDropoutKey(1, "b", 0), "step": NewDropoutKey(1, "a", 1),
		"one bit": {base[0] ^ 1, base[1]}, "one bit of the second": {base[0], base[1] ^ 1},
	} {
		kept, same := 0, 0
		for i := range uint32(n) {
			if other.Keeps(i, rate) {
				kept++
			}
			if other.Keeps(i, rate) == base.Keeps(i, rate) {
				same++
			}
		}
		if share := float64(kept) / n; share < 0.68 || share > 0.72 {
			t.Errorf("another %s: %.3f are kept", name, share)
		}
		if share := float64(same) / n; share < 0.56 || share > 0.60 { // 0.7^2 + 0.3^2 = 0.58
			t.Errorf("another %s: %.3f of the two masks agree", name, share)
		}
	}
	for i := range uint32(1000) {
		if !base.Keeps(i, 0) {
			t.Fatal("rate 0 drops an element")
		}
	}
}
