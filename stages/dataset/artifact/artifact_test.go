package artifact

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

// shelf has artifacts by name.
type shelf map[stages.ArtifactName]string

func (s shelf) Find(_ context.Context, name stages.ArtifactName, want cache.Digest) (stages.Artifact, error) {
	raw, ok := s[name]
	v, err := stages.DecodeJSON([]byte(raw), cty.DynamicPseudoType)
	if err != nil {
		return stages.Artifact{}, err
	}
	found := stages.Artifact{Value: v, Digest: cache.DigestOf([]byte(raw)), Tagged: time.Unix(0, 0)}
	if !ok || !want.IsZero() && want != found.Digest {
		return found, errors.New("not there")
	}
	return found, nil
}

var name = stages.ArtifactName{Tag: "v1", Node: "preprocess.vision", Output: "table"}

func given(extra map[string]cty.Value) map[string]cty.Value {
	out := map[string]cty.Value{"tag": cty.StringVal("v1"), "node": cty.StringVal("preprocess.vision"), "output": cty.StringVal("table")}
	for k, v := range extra {
		out[k] = v
	}
	return out
}

func execute(t *testing.T, artifacts stages.Artifacts, extra map[string]cty.Value) (*stages.Output, error) {
	t.Helper()
	attrs, err := stagetest.Attributes(Kind, given(extra))
	if err != nil {
		t.Fatal(err)
	}
	stage, err := Kind.Fill(attrs)
	if err != nil {
		t.Fatal(err)
	}
	out := stages.NewOutput()
	return out, stage.Run(t.Context(), &stages.Input{Services: stages.Services{Artifacts: artifacts}}, out)
}

const content = `{"digest":"cb5d777ec3368be83c8f9b3aa4d520696051cb0eb8d94b8f85b519f9ea4afa3e","size":3,"name":"x"}`

func TestOutputs(t *testing.T) {
	for _, test := range []struct{ label, raw, output string }{
		{"table", `{"$table":` + content + `}`, "table"},
		{"file", `{"$file":` + content + `}`, "file"},
		{"number", `12.5`, "value"},
		{"list of files", `[{"$file":` + content + `}]`, "value"},
		{"text", `"a"`, "value"},
		{"null", `null`, "value"},
	} {
		out, err := execute(t, shelf{name: test.raw}, nil)
		if err != nil {
			t.Errorf("%s: %v", test.label, err)
			continue
		}
		if got, want := out.Pins["digest"], cache.DigestOf([]byte(test.raw)).String(); got != want {
			t.Errorf("%s: pinned to %s, want %s", test.label, got, want)
		}
		types := Kind.Zero().OutputTypes(nil)
		for n, v := range out.Values {
			if types[n] != cty.DynamicPseudoType && !v.Type().Equals(types[n]) {
				t.Errorf("%s: %s is a %s", test.label, n, v.Type().FriendlyName())
			}
			raw, err := stages.EncodeJSON(v)
			switch {
			case err != nil:
				t.Errorf("%s: %s: %v", test.label, n, err)
			case n == test.output && string(raw) != test.raw:
				t.Errorf("%s: %s is %s", test.label, n, raw)
			case n != test.output && string(raw) != "null":
				t.Errorf("%s: %s is %s, want null", test.label, n, raw)
			}
		}
		if len(out.Values) != len(types) {
			t.Errorf("%s: outputs %v", test.label, out.Values)
		}
	}
}

func TestPinned(t *testing.T) {
	pinned := func(raw string) map[string]cty.Value {
		return map[string]cty.Value{"digest": cty.StringVal(cache.DigestOf([]byte(raw)).String())}
	}
	out, err := execute(t, shelf{name: "1"}, pinned("1"))
	if err != nil || len(out.Pins) != 0 {
		t.Errorf("pins %v, %v", out.Pins, err)
	}
	if _, err := execute(t, shelf{name: "2"}, pinned("1")); err == nil {
		t.Error("something else than what was pinned was taken")
	}
	if _, err := execute(t, nil, nil); err == nil {
		t.Error("found without a store")
	}
}

// The content alone is the key: not the tag, nor where it was found.
func TestKeyAttributes(t *testing.T) {
	for _, a := range Kind.Attributes {
		if a.Key != (a.Name == "digest") {
			t.Errorf("%s: part of the key: %v", a.Name, a.Key)
		}
	}
	source, attribute, unpinned := (&Stage{Tag: "v1", Node: "preprocess.vision", Output: "table"}).LockSource()
	if source != "tag v1: preprocess.vision.table" || attribute != "digest" || !unpinned {
		t.Errorf("%q, %q, %v", source, attribute, unpinned)
	}
}

func TestCheck(t *testing.T) {
	for attribute, bad := range map[string]string{"tag": "a/b", "node": "", "output": "", "digest": "abc"} {
		got := stagetest.Problems(t, Kind, given(map[string]cty.Value{attribute: cty.StringVal(bad)}))
		if len(got) != 1 || got[0].Attribute != attribute || !strings.HasSuffix(got[0].Detail, ".") {
			t.Errorf("%s = %q: %+v", attribute, bad, got)
		}
	}
	if got := stagetest.Problems(t, Kind, given(nil)); len(got) > 0 {
		t.Errorf("%+v", got)
	}
	unknown := stages.Attrs{"tag": cty.UnknownVal(cty.String), "node": cty.UnknownVal(cty.String)}
	if got := Kind.Zero().(stages.Checker).Check(unknown); len(got) > 0 {
		t.Errorf("unknown: %+v", got)
	}
}
