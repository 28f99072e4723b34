package stages

import (
	"context"
	"math"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
)

func TestJSONRoundTrip(t *testing.T) {
	file := File{Object: cache.Object{Digest: cache.DigestOf([]byte("x")), Size: 1}, Name: "x.txt"}
	stat := map[string]cty.Type{"value": cty.Number, "p": cty.Number}
	tests := map[string]cty.Value{
		"string":       cty.StringVal("a\"<b>\u2028"),
		"integer":      cty.NumberIntVal(1 << 60),
		"tenth":        cty.NumberFloatVal(0.1),
		"infinite":     cty.PositiveInfinity,
		"nan":          NumberValue(math.NaN()),
		"empty list":   cty.ListValEmpty(cty.String),
		"empty map":    cty.MapValEmpty(cty.Number),
		"file":         FileValue(file),
		"table":        TableValue(Table{file}),
		"list of file": cty.ListVal([]cty.Value{FileValue(file), FileValue(file)}),
		"statistics":   cty.MapVal(map[string]cty.Value{"a": cty.ObjectVal(map[string]cty.Value{"value": cty.NumberFloatVal(0.25), "p": cty.NullVal(cty.Number)}), "b": cty.NullVal(cty.Object(stat))}),
		"tuple":        cty.TupleVal([]cty.Value{cty.True, cty.StringVal("")}),
	}
	for name, v := range tests {
		raw, err := EncodeJSON(v)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		back, err := DecodeJSON(raw, v.Type())
		if err != nil {
			t.Fatalf("%s: %s: %v", name, raw, err)
		}
		if !back.RawEquals(v) {
			t.Errorf("%s: %s decodes to %#v, want %#v", name, raw, back, v)
		}
	}
}

func TestNumberText(t *testing.T) {
	for want, v := range map[string]cty.Value{
		"0.1":  cty.MustParseNumberVal("0.1"),
		"1":    cty.MustParseNumberVal("1.0"),
		"1000": cty.MustParseNumberVal("1e3"),
		"-Inf": cty.NegativeInfinity,
	} {
		if got := NumberText(v.AsBigFloat()); got != want {
			t.Errorf("NumberText = %s, want %s", got, want)
		}
	}
	a, b := cty.MustParseNumberVal("0.1"), cty.NumberFloatVal(0.1)
	if NumberText(a.AsBigFloat()) != NumberText(b.AsBigFloat()) {
		t.Error("a literal 0.1 and a computed 0.1 encode differently")
	}
}

type sample struct {
	Name    string            `attr:"name,key"`
	Seed    uint64            `attr:"seed,key" default:"777"`
	Columns map[string]string `attr:"columns,key,optional"`
	Limit   *float64          `attr:"limit,key,optional"`
	Join    []struct {
		On string `attr:"on,key" default:"\"architecture\""`
	} `attr:"join,key,optional"`
	Anything cty.Value  `attr:"anything,key,optional"`
	Token    string     `attr:"token,optional,sensitive"`
	Nodes    []NodeInfo `attr:"nodes,nodes,optional"`
}

func (*sample) OutputTypes(Attrs) map[string]cty.Type      { return nil }
func (*sample) Run(context.Context, *Input, *Output) error { return nil }

func TestDefineAndFill(t *testing.T) {
	k := Define[sample](Kind{Block: "preprocess", Type: "sample", Version: 1})
	seed, ok := k.Attribute("seed")
	if !ok || !seed.Optional || !seed.Default.RawEquals(cty.NumberIntVal(777)) {
		t.Fatalf("seed: %+v", seed)
	}
	if a, _ := k.Attribute("token"); a.Key || !a.Sensitive {
		t.Errorf("token: %+v", a)
	}
	s, err := k.Fill(Attrs{
		"name":    cty.StringVal("n"),
		"seed":    cty.NumberIntVal(3),
		"columns": cty.MapVal(map[string]cty.Value{"a": cty.StringVal("b")}),
		"limit":   cty.NumberFloatVal(2),
		"token":   cty.StringVal("t").Mark(Sensitive),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := s.(*sample)
	if got.Name != "n" || got.Seed != 3 || got.Columns["a"] != "b" || *got.Limit != 2 || got.Token != "t" {
		t.Errorf("filled %+v", got)
	}
	if s, err := k.Fill(Attrs{"seed": cty.NumberFloatVal(1.5)}); err == nil {
		t.Errorf("a seed of 1.5 was taken as %d", s.(*sample).Seed)
	}
}

func TestKeyNeverTakesSensitiveOrUnknown(t *testing.T) { // I21
	p := cache.NewPreimage()
	if AddToKey(p, "a", cty.StringVal("s").Mark(Sensitive)) == nil {
		t.Error("a sensitive value entered a key")
	}
	if AddToKey(p, "a", cty.UnknownVal(cty.String)) == nil {
		t.Error("an unknown value entered a key")
	}
	if _, err := EncodeJSON(cty.StringVal("s").Mark(Sensitive)); err == nil {
		t.Error("a sensitive value was written down")
	}
}

// A file's name is no part of a digest, and all else is: members of plain objects
// that are called like parts of a file, too.
func TestValueDigest(t *testing.T) {
	file := File{Object: cache.Object{Digest: cache.DigestOf([]byte("x")), Size: 1}, Name: "a"}
	renamed, exec := file, file
	renamed.Name, exec.Exec = "b", true
	plain := func(name string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"digest": cty.StringVal("d"), "size": cty.NumberIntVal(1), "name": cty.StringVal(name)})
	}
	digest := func(v cty.Value) cache.Digest {
		d, err := ValueDigest(cty.TupleVal([]cty.Value{v}))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if digest(FileValue(file)) != digest(FileValue(renamed)) || digest(TableValue(Table{file})) != digest(TableValue(Table{renamed})) {
		t.Error("the name of a file counts")
	}
	seen := map[cache.Digest]bool{}
	for _, v := range []cty.Value{FileValue(file), FileValue(exec), TableValue(Table{file}), plain("a"), plain("b"), cty.NullVal(cty.DynamicPseudoType)} {
		seen[digest(v)] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d digests of 6 values", len(seen))
	}
}
