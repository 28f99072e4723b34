package retrain

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages/pythontest"
)

// engines are the attributes that choose each engine.
func engines(t *testing.T) map[string]map[string]cty.Value {
	t.Helper()
	return map[string]map[string]cty.Value{
		"torch": {"engine": cty.StringVal("torch"), "device": cty.StringVal("cpu"), "python": cty.StringVal(pythontest.Find(t, "torch", "numpy"))},
	}
}
