package gpu

import (
	"regexp"
	"slices"
	"strings"
)

// makers are words that some names of models have and others leave out.
var makers = []string{"nvidia", "geforce", "tesla", "quadro", "amd"}

// slice is the word by which a part of a GPU is named: "1g" of "a100_1g.5gb".
var slice = regexp.MustCompile(`^[1-9]g$`)

// Called reports whether GPUs that a cluster's administrators call by a name, such as
// "a100", "nvidia_a100_80gb" or "rtx3090", may be of a model: whether all words of one
// stand in the other, in their order. Makers' names do not count, and a part of a GPU is
// another thing. It says where to look; what is there, nvidia-smi says there: see Is.
func Called(name, model string) bool {
	named, asked := telling(name), telling(model)
	if len(named) == 0 || len(asked) == 0 || slices.ContainsFunc(named, slice.MatchString) && !slices.ContainsFunc(asked, slice.MatchString) {
		return false
	}
	return within(named, asked) || within(asked, named) || strings.Join(named, "") == strings.Join(asked, "")
}

// Same reports whether a name says all of a model and no more.
func Same(name, model string) bool {
	return strings.Join(telling(name), "") == strings.Join(telling(model), "")
}

// telling are the words of a name, without the makers' if there are others.
func telling(s string) []string {
	all := words(s)
	rest := slices.DeleteFunc(slices.Clone(all), func(w string) bool { return slices.Contains(makers, w) })
	if len(rest) == 0 {
		return all
	}
	return rest
}

// within reports whether a's words stand in b, in their order.
func within(a, b []string) bool {
	for _, w := range b {
		if len(a) > 0 && a[0] == w {
			a = a[1:]
		}
	}
	return len(a) == 0
}
