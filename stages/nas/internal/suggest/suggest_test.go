package suggest

import "testing"

func TestNearest(t *testing.T) {
	words := []string{"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"}
	cases := []struct {
		word, want string
		ok         bool
	}{
		{"nor_conv_3x1", "nor_conv_1x1", true},
		{"NOR_CONV_3X3", "nor_conv_3x3", true},
		{"skipconnect", "skip_connect", true},
		{"non", "none", true},
		{"max_pool_3x3", "avg_pool_3x3", true},
		{"dil_conv", "", false},
		{"", "", false},
	}
	for _, c := range cases {
		if got, ok := Nearest(c.word, words); got != c.want || ok != c.ok {
			t.Errorf("Nearest(%q) = %q, %v; want %q, %v", c.word, got, ok, c.want, c.ok)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	if got := DidYouMean("cifar1O", []string{"cifar10", "ninapro"}); got != ` (did you mean "cifar10"?)` {
		t.Errorf("got %q", got)
	}
	if got := DidYouMean("darcy", []string{"cifar10"}); got != "" {
		t.Errorf("got %q", got)
	}
}
