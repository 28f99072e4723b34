package gpu

import "testing"

func TestCalled(t *testing.T) {
	for _, c := range []struct {
		name, model string
		want        bool
	}{
		{"a100", "NVIDIA A100", true},
		{"a100", "A100", true},
		{"a100", "NVIDIA A100-SXM4-80GB", true},
		{"nvidia_a100_80gb", "A100", true},
		{"a100_80gb", "NVIDIA A100-SXM4-80GB", true},
		{"a100_40gb", "NVIDIA A100-SXM4-80GB", false},
		{"a100", "A10", false},
		{"a10", "A100", false},
		{"a100_1g.5gb", "A100", false},
		{"a100_1g.5gb", "A100 1g.5gb", true},
		{"rtx3090", "NVIDIA GeForce RTX 3090", true},
		{"rtx3090ti", "RTX 3090", false},
		{"geforce_rtx_3090", "RTX 3090", true},
		{"rtx6000", "RTX A6000", false},
		{"a6000", "NVIDIA RTX A6000", true},
		{"tesla_t4", "Tesla T4", true},
		{"v100-sxm2-32gb", "Tesla V100", true},
		{"v100s", "V100", false},
		{"nvidia", "NVIDIA", true},
		{"nvidia", "NVIDIA A100", false},
		{"", "A100", false},
		{"a100", "", false},
		{"___", "--", false},
	} {
		if got := Called(c.name, c.model); got != c.want {
			t.Errorf("%q for %q: %t", c.name, c.model, got)
		}
	}
	if !Same("rtx_3090", "NVIDIA GeForce RTX 3090") || Same("rtx_3090_ti", "RTX 3090") {
		t.Error("Same")
	}
}
