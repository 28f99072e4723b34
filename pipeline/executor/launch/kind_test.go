package launch

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
)

// fake are the settings of a kind for tests.
type fake struct {
	Slots int      `attr:"slots,optional" default:"2" doc:"How many."`
	Place string   `attr:"place" doc:"Where."`
	Lines []string `attr:"lines,optional" doc:"What."`
	Wet   bool     `attr:"wet,optional" doc:"Whether."`
}

func (*fake) Check() []stages.Problem         { return nil }
func (*fake) Launcher(Site) (Launcher, error) { return nil, nil }

func TestDefine(t *testing.T) {
	k := Define[fake](Kind{Type: "fake", Doc: "A kind."})
	var names []string
	for _, a := range k.Attributes {
		names = append(names, a.Name+" "+a.Type.FriendlyName())
	}
	if want := []string{"lines list of string", "place string", "slots number", "wet bool"}; !cmp.Equal(names, want) || k.Type != "fake" || k.Doc != "A kind." {
		t.Errorf("%+v", k)
	}
	ks := Kinds{k, Define[fake](Kind{Type: "a"})}
	if got, ok := ks.Lookup("fake"); !ok || got != k {
		t.Error("it is not found")
	}
	if got, ok := ks.Lookup("b"); ok || got != nil {
		t.Error("one that is not there is found")
	}
	if got := ks.Types(); !cmp.Equal(got, []string{"a", "fake"}) {
		t.Error(got)
	}
}

func TestFill(t *testing.T) {
	k := Define[fake](Kind{Type: "fake"})
	list := func(s ...string) cty.Value {
		var out []cty.Value
		for _, v := range s {
			out = append(out, cty.StringVal(v))
		}
		return cty.ListVal(out)
	}
	for name, c := range map[string]struct {
		attrs stages.Attrs
		want  *fake
		err   string // a part of it
	}{
		"all":            {stages.Attrs{"slots": cty.NumberIntVal(3), "place": cty.StringVal("x"), "lines": list("a", "b"), "wet": cty.True}, &fake{3, "x", []string{"a", "b"}, true}, ""},
		"none":           {nil, &fake{}, ""},
		"null":           {stages.Attrs{"place": cty.NullVal(cty.String), "lines": cty.NullVal(cty.DynamicPseudoType)}, &fake{}, ""},
		"others":         {stages.Attrs{"colour": cty.StringVal("red"), "place": cty.StringVal("x")}, &fake{Place: "x"}, ""},
		"text":           {stages.Attrs{"slots": cty.StringVal("3")}, nil, "slots: a value of type number is required, this one is of type string"},
		"a number":       {stages.Attrs{"place": cty.NumberIntVal(3)}, nil, "place: a value of type string is required, this one is of type number"},
		"one, not many":  {stages.Attrs{"lines": cty.StringVal("a")}, nil, "lines: a value of type list of string is required, this one is of type string"},
		"a tuple":        {stages.Attrs{"lines": cty.TupleVal([]cty.Value{cty.StringVal("a"), cty.Zero})}, nil, "lines: a value of type list of string is required, this one is of type tuple"},
		"an object":      {stages.Attrs{"slots": cty.EmptyObjectVal}, nil, "slots: a value of type number is required, this one is of type object"},
		"a half":         {stages.Attrs{"slots": cty.NumberFloatVal(1.5)}, nil, "slots: a whole number is required, this is 1.5"},
		"too large":      {stages.Attrs{"slots": cty.MustParseNumberVal("1e30")}, nil, "slots: a whole number is required"},
		"endless":        {stages.Attrs{"slots": cty.PositiveInfinity}, nil, "slots: a whole number is required"},
		"not known":      {stages.Attrs{"slots": cty.UnknownVal(cty.Number)}, nil, "slots: not known yet"},
		"not known what": {stages.Attrs{"slots": cty.DynamicVal}, nil, "slots: a value of type number is required"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := k.Fill(c.attrs)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v; want %s", err, c.err)
				}
				return
			}
			if err != nil || !cmp.Equal(got, Settings(c.want)) {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)\n": "'$(x)\n'"} {
		if got := Quote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
