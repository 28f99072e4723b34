package functions

import (
	"strings"

	"github.com/zclconf/go-cty/cty/function"
)

// Signature is how a call of a function is written.
func Signature(name string, f function.Function) string {
	if name == "range" {
		return "range(end), range(start, end) or range(start, end, step)"
	}
	var names []string
	for _, p := range f.Params() {
		names = append(names, p.Name)
	}
	if p := f.VarParam(); p != nil {
		names = append(names, p.Name+", ...")
	}
	return name + "(" + strings.Join(names, ", ") + ")"
}
