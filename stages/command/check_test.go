package command

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
)

func TestCheck(t *testing.T) {
	str := cty.StringVal
	list := func(s ...string) cty.Value {
		var out []cty.Value
		for _, e := range s {
			out = append(out, str(e))
		}
		return cty.ListVal(out)
	}
	m := func(kv ...string) cty.Value {
		out := map[string]cty.Value{}
		for i := 0; i < len(kv); i += 2 {
			out[kv[i]] = str(kv[i+1])
		}
		return cty.MapVal(out)
	}
	file := newMemory().file("x")
	obj := func(name string, v cty.Value) cty.Value { return cty.ObjectVal(map[string]cty.Value{name: v}) }
	tools := cty.MapVal(map[string]cty.Value{"python": list("python3", "--version")})
	type attrs = stages.Attrs
	tests := map[string]struct {
		set  attrs  // over a good stage
		want string // "" for no problem
	}{
		"good":               {attrs{}, ""},
		"unknown":            {attrs{"argv": cty.UnknownVal(cty.List(cty.String)), "inputs": cty.DynamicVal, "outputs": cty.UnknownVal(cty.Map(cty.String)), "seed": cty.UnknownVal(cty.Number), "tools": cty.UnknownVal(cty.Map(cty.List(cty.String)))}, ""},
		"partly unknown":     {attrs{"argv": cty.ListVal([]cty.Value{str("python3"), cty.UnknownVal(cty.String)}), "inputs": obj("a", cty.UnknownVal(stages.FileType))}, ""},
		"nothing":            {attrs{"argv": cty.NullVal(cty.List(cty.String))}, "nothing to run"},
		"empty argv":         {attrs{"argv": cty.ListValEmpty(cty.String)}, "argv is empty"},
		"empty program":      {attrs{"argv": list("", "x")}, "argv[0], the program, is empty"},
		"nul":                {attrs{"argv": list("python3", "a\x00b")}, "NUL"},
		"two programs":       {attrs{"script": str("true")}, "exclude each other"},
		"crlf":               {attrs{"argv": cty.NullVal(cty.List(cty.String)), "script": str("a\r\nb\r\n")}, "CRLF"},
		"empty script":       {attrs{"argv": cty.NullVal(cty.List(cty.String)), "script": str(" \n")}, "empty"},
		"no outputs":         {attrs{"outputs": cty.MapValEmpty(cty.String)}, "has no outputs"},
		"absolute output":    {attrs{"outputs": m("a", "/tmp/x")}, "it is absolute"},
		"output up":          {attrs{"outputs": m("a", "x/../../y")}, "leaves the working folder"},
		"output in in":       {attrs{"outputs": m("a", "in/x")}, "in/ holds the inputs"},
		"output here":        {attrs{"outputs": m("a", "./")}, "the working folder itself"},
		"same output":        {attrs{"outputs": m("a", "x", "b", "./x")}, "both are \"x\""},
		"output name":        {attrs{"outputs": m("a b", "x")}, "no identifier"},
		"value and output":   {attrs{"outputs": m("a", "x"), "values": m("a", "x.json")}, "in outputs and in values"},
		"same value":         {attrs{"outputs": m("a", "x"), "values": m("b", "x")}, "both are \"x\""},
		"value folder":       {attrs{"values": m("b", "x/")}, "is a folder"},
		"values alone":       {attrs{"outputs": cty.NullVal(cty.Map(cty.String)), "values": m("b", "x.json")}, ""},
		"input string":       {attrs{"inputs": obj("a", str("x"))}, "is a string"},
		"input number":       {attrs{"inputs": obj("a", cty.TupleVal([]cty.Value{file, cty.NumberIntVal(1)}))}, "is a number"},
		"input list":         {attrs{"inputs": cty.ListVal([]cty.Value{file})}, "Inputs need names"},
		"input name":         {attrs{"inputs": obj("a/b", file)}, "has a slash"},
		"input key":          {attrs{"inputs": obj("a", cty.MapVal(map[string]cty.Value{"..": file}))}, "no file name"},
		"argv input":         {attrs{"argv": list("python3", "in/trian"), "inputs": obj("train", file)}, `Did you mean "in/train"?`},
		"argv input, none":   {attrs{"argv": list("in/train")}, "inputs declares no \"train\""},
		"unprobed":           {attrs{"tools": cty.NullVal(tools.Type())}, `tools = { python3 = ["python3", "--version"] }`},
		"unprobed script":    {attrs{"argv": cty.NullVal(cty.List(cty.String)), "script": str("true"), "tools": cty.MapValEmpty(cty.List(cty.String))}, "the versions of what it runs"},
		"input is program":   {attrs{"argv": list("in/train"), "inputs": obj("train", file), "tools": cty.NullVal(tools.Type())}, ""},
		"empty tool":         {attrs{"tools": cty.MapVal(map[string]cty.Value{"x": cty.ListValEmpty(cty.String)})}, "is empty"},
		"tool in in":         {attrs{"tools": cty.MapVal(map[string]cty.Value{"x": list("in/x", "-v")})}, "before there is a working folder"},
		"variable name":      {attrs{"environment": m("A-B", "x")}, "letters, digits and underscores"},
		"variable twice":     {attrs{"environment": m("A", "x"), "secrets": cty.MapVal(map[string]cty.Value{"A": str("s").Mark(stages.Sensitive)})}, "A is in environment and in secrets"},
		"variable nul":       {attrs{"environment": m("A", "\x00")}, "NUL"},
		"pass":               {attrs{"pass_environment": list("HOME=x")}, "letters, digits and underscores"},
		"timeout":            {attrs{"timeout": str("8 hours")}, "\"8h\""},
		"timeout zero":       {attrs{"timeout": str("0s")}, "above zero"},
		"seed":               {attrs{"seed": cty.NumberIntVal(-1)}, "no seed"},
		"sensitive anywhere": {attrs{"argv": list("python3").Mark(stages.Sensitive), "tools": tools.Mark(stages.Sensitive), "inputs": obj("a", file).Mark(stages.Sensitive), "seed": cty.NumberIntVal(1).Mark(stages.Sensitive), "timeout": str("1s").Mark(stages.Sensitive), "outputs": m("a", "x").Mark(stages.Sensitive)}, ""},
	}
	for name, tt := range tests {
		set := attrs{"argv": list("python3", "-c", "1"), "outputs": m("text", "out.txt"), "tools": tools, "seed": cty.NumberIntVal(777)}
		for k, v := range tt.set {
			set[k] = v
		}
		problems := Kind.Zero().(stages.Checker).Check(set)
		var text strings.Builder
		for _, p := range problems {
			text.WriteString(p.Summary + ": " + p.Detail + "\n")
		}
		if tt.want == "" && len(problems) > 0 || !strings.Contains(text.String(), tt.want) {
			t.Errorf("%s: %q, want %q", name, text.String(), tt.want)
		}
	}
}
