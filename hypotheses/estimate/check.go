package estimate

import (
	"fmt"

	"github.com/nbpipe/nbpipe/stages"
)

// CheckSample checks that a list of numbers has enough of them and no null, which
// is how a value that does not exist is written.
func CheckSample(attrs stages.Attrs, name string, least int) []stages.Problem {
	v, ok := attrs[name]
	if !ok || v.IsNull() || !v.IsKnown() {
		return nil
	}
	v, _ = v.Unmark()
	if n := v.LengthInt(); n < least {
		return []stages.Problem{{Attribute: name, Summary: "Too few values", Detail: fmt.Sprintf("%s has %d; at least %d are needed.", name, n, least)}}
	}
	at := 0
	for it := v.ElementIterator(); it.Next(); at++ {
		if _, e := it.Element(); e.IsNull() {
			return []stages.Problem{{Attribute: name, Summary: "A value is missing", Detail: fmt.Sprintf("%s[%d] is null: what made it had no such value.", name, at)}}
		}
	}
	return nil
}

// CheckCount checks that an attribute is a whole number from 1 to most.
func CheckCount(attrs stages.Attrs, name string, most int64) []stages.Problem {
	if !attrs.Known(name) {
		return nil
	}
	v, _ := attrs[name].Unmark()
	if n, _ := v.AsBigFloat().Int64(); v.AsBigFloat().IsInt() && n >= 1 && n <= most {
		return nil
	}
	return []stages.Problem{{Attribute: name, Summary: "Out of range", Detail: fmt.Sprintf("%s is %s; it must be a whole number from 1 to %d.", name, stages.NumberText(v.AsBigFloat()), most)}}
}
