package retrain

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages/pythontest"
)

// torch are the attributes that choose PyTorch.
func torch(t *testing.T) map[string]cty.Value {
	t.Helper()
	return map[string]cty.Value{"engine": cty.StringVal("torch"), "device": cty.StringVal(pythontest.Device()), "python": cty.StringVal(pythontest.Find(t, "torch", "numpy"))}
}

func TestFieldsAreRetrainedInPyTorch(t *testing.T) { fieldsAreRetrained(t, torch(t)) }
