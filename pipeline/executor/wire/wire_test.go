package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/stages"
)

type sample struct {
	Text    string                 `attr:"text,key"`
	Share   float64                `attr:"share,key,optional"`
	Seed    uint64                 `attr:"seed,key" default:"777"`
	Flag    bool                   `attr:"flag,key,optional"`
	Names   []string               `attr:"names,key,optional"`
	Files   map[string]stages.File `attr:"files,key,optional"`
	Table   stages.Table           `attr:"table,key,optional"`
	Any     cty.Value              `attr:"any,key,optional"`
	Inner   *inner                 `attr:"inner,key,optional"`
	Mirrors []string               `attr:"mirrors,optional"`
	Token   string                 `attr:"token,optional,sensitive"`
	About   []stages.NodeInfo      `attr:"about,key,optional,nodes"`
}

type inner struct {
	A string   `attr:"a"`
	B *float64 `attr:"b,optional"`
}

func (*sample) OutputTypes(stages.Attrs) map[string]cty.Type             { return nil }
func (*sample) Run(context.Context, *stages.Input, *stages.Output) error { return nil }

var (
	kind  = stages.Define[sample](stages.Kind{Block: "command", Type: "sample", Version: 3})
	kinds = stages.NewRegistry(kind)
)

func object(content string) cache.Object {
	return cache.Object{Digest: cache.DigestOf([]byte(content)), Size: int64(len(content))}
}

// action holds a value of each form that an attribute can take.
func action(t testing.TB) *executor.Action {
	t.Helper()
	f := stages.File{Object: object("content"), Name: "train.py", Source: "/home/a/train.py"}
	a := &executor.Action{
		Address: `command.a["x"]`, Build: "test", Why: []string{"it never ran before"}, Anew: true,
		Outputs:   map[string]cty.Type{"file": stages.FileType, "n": cty.Number, "o": cty.Object(map[string]cty.Type{"x": cty.List(cty.String)})},
		Resources: stages.Resources{CPUs: 1.5, Memory: 1 << 30, GPUs: 1, GPUModel: "A100", Time: 60},
		Ingredients: plan.Ingredients{
			Kind: kind, GPUModel: "A100", Probes: map[string]string{"python": "3.12"},
			Attrs: stages.Attrs{
				"text": cty.StringVal("a\x00 <b> \u2028"), "share": cty.MustParseNumberVal("0.1"), "seed": cty.MustParseNumberVal("18446744073709551615"),
				"flag": cty.True, "names": cty.ListVal([]cty.Value{cty.StringVal("b"), cty.StringVal("a")}),
				"files": cty.MapVal(map[string]cty.Value{"x": stages.FileValue(f)}),
				"table": stages.TableValue(stages.Table{File: f}),
				"any":   cty.TupleVal([]cty.Value{cty.NumberIntVal(1), cty.NullVal(cty.String), cty.ListValEmpty(cty.Bool)}),
				"inner": cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("x"), "b": cty.NullVal(cty.Number)}),
				"token": cty.NullVal(cty.String), "mirrors": cty.ListValEmpty(cty.String),
			},
			Nodes: map[string][]stages.NodeInfo{"about": {{
				Address: "dataset.a", Kind: "dataset fetch", Version: 1, Attributes: json.RawMessage(`{"url":"x"}`), Outputs: json.RawMessage(`{"n":1}`),
			}}},
		},
	}
	p, err := a.Ingredients.Preimage()
	if err != nil {
		t.Fatal(err)
	}
	a.Key = p.Key()
	return a
}

func encode(t testing.TB, a *executor.Action) []byte {
	t.Helper()
	b, err := Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A worker that were told another model could not answer for the key.
func TestModelIsPartOfTheKey(t *testing.T) {
	a := action(t)
	for _, model := range []string{"", "T4"} {
		a.Resources.GPUModel = model
		if _, err := Decode(encode(t, a), kinds); err == nil || !strings.Contains(err.Error(), "it was changed on its way") {
			t.Errorf("%q: %v", model, err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	a := action(t)
	b := encode(t, a)
	got, err := Decode(b, kinds)
	if err != nil {
		t.Fatal(err)
	}
	if again := encode(t, got); !bytes.Equal(again, b) {
		t.Errorf("written again it differs:\n%s\n%s", b, again)
	}
	for name, want := range a.Ingredients.Attrs {
		have := got.Ingredients.Attrs[name]
		if name == "share" { // what a stage sees is a float64
			continue
		}
		if !have.RawEquals(want) {
			t.Errorf("%s: %#v, want %#v", name, have, want)
		}
	}
	if got.Key != a.Key || got.Address != a.Address || got.Resources != a.Resources || got.Build != a.Build || got.Anew != a.Anew || len(got.Why) != 1 {
		t.Errorf("%+v", got)
	}
	if !got.Outputs["o"].Equals(a.Outputs["o"]) || !got.Outputs["file"].Equals(stages.FileType) {
		t.Errorf("outputs: %#v", got.Outputs)
	}
	if bytes.Contains(b, []byte("/home/a")) {
		t.Error("a path of this machine is in it") // I8
	}
	if _, err := kind.Fill(got.Ingredients.Attrs); err != nil {
		t.Error(err)
	}
}

// I21: no secret is ever written down for another machine.
func TestI21_SecretsAreNotSent(t *testing.T) {
	for name, v := range map[string]cty.Value{
		"token": cty.StringVal("hunter2"), "text": cty.StringVal("hunter2").Mark(stages.Sensitive),
		"names": cty.ListVal([]cty.Value{cty.StringVal("hunter2").Mark(stages.Sensitive)}),
	} {
		a := action(t)
		a.Ingredients.Attrs[name] = v
		b, err := Encode(a)
		var secret *SensitiveError
		if !errors.As(err, &secret) || secret.Attribute != name || b != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the message shows the secret", name)
		}
	}
}

func TestRefused(t *testing.T) {
	good := encode(t, action(t))
	newer := stages.Define[sample](stages.Kind{Block: "command", Type: "sample", Version: 4})
	other := stages.Define[sample](stages.Kind{Block: "command", Type: "other", Version: 3})
	replace := func(old, with string) []byte {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("%s is not in %s", old, good)
		}
		return bytes.Replace(good, []byte(old), []byte(with), 1)
	}
	for name, c := range map[string]struct {
		b     []byte
		kinds *stages.Registry
		want  string
	}{
		"another value":    {replace(`["b","a"]`, `["a","b"]`), kinds, "the action's key is"},
		"another probe":    {replace(`"3.12"`, `"3.11"`), kinds, "the action's key is"},
		"another type":     {replace(`"value":true`, `"value":[]`), kinds, `attribute "flag"`},
		"unknown field":    {replace(`"build"`, `"builder"`), kinds, "unknown field"},
		"unknown name":     {replace(`"flag":`, `"flags":`), kinds, `"flags"`},
		"version":          {replace(`{"version":1`, `{"version":2`), kinds, "the same nbpipe on all machines"},
		"kind's version":   {good, stages.NewRegistry(newer), "version 4"},
		"kind":             {good, stages.NewRegistry(other), "knows no command sample"},
		"cut off":          {good[:len(good)/2], kinds, "cannot be read"},
		"something after":  {append(bytes.Clone(good), '1'), kinds, "follows"},
		"nothing":          {nil, kinds, "cannot be read"},
		"told of no nodes": {replace(`"nodes":{"about"`, `"nodes":{"text"`), kinds, "tells about no nodes"},
	} {
		_, err := Decode(c.b, c.kinds)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
	}
	pinned := action(t)
	pinned.Key = cache.Key{}
	if _, err := Encode(pinned); !errors.Is(err, ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, action(f)))
	f.Add([]byte(`{"version":1,"block":"command","type":"sample","kind_version":3,"attributes":{"any":{"type":["set","any"],"value":[1,"a"]}}}`))
	f.Add([]byte(`{"version":1,"block":"command","type":"sample","kind_version":3,"attributes":{"text":{"type":["object",{"a":"file"},["a"]],"value":{"a":{"$file":{}}}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Decode(b, kinds)
		if err != nil {
			return
		}
		// What is taken can be filled in, and written again for the same key.
		if _, err := kind.Fill(a.Ingredients.Attrs); err != nil {
			return
		}
		again, err := Encode(a)
		if errors.As(err, new(*SensitiveError)) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if c, err := Decode(again, kinds); err != nil || c.Key != a.Key {
			t.Fatalf("%v", err)
		}
	})
}

// The fuzz target above seldom gets past the key; this one does not look at it.
func FuzzValues(f *testing.F) {
	f.Add("any", []byte(`["set","any"]`), []byte(`[1,"a",null]`))
	f.Add("files", []byte(`["map","file"]`), []byte(`{"x":{"$file":{"digest":"00","size":-1}}}`))
	f.Add("inner", []byte(`["object",{"a":"string","b":"number"},["b"]]`), []byte(`{"a":"x"}`))
	f.Add("seed", []byte(`"number"`), []byte(`1e400`))
	f.Add("any", []byte(`["list",["tuple",["any"]]]`), []byte(`[[1],["a"]]`))
	f.Fuzz(func(t *testing.T, name string, typ, val []byte) {
		v, err := value{typ, val}.decode(kind, name)
		if err != nil {
			return
		}
		attrs := stages.Attrs{name: v}
		_, _ = kind.Fill(attrs)
		_, _ = plan.Ingredients{Kind: kind, Attrs: attrs}.Preimage()
	})
}
