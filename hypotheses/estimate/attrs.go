package estimate

import "slices"

// Without leaves one name out.
func Without(names []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == one })
}
