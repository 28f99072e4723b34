package lang_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/stages"
)

// writeFiles puts files into a fresh folder.
func writeFiles(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// one loads an experiment of one file.
func one(t testing.TB, src string) (*lang.Experiment, *lang.State) {
	return loadOK(t, writeFiles(t, map[string]string{"x.hcl": src}), options())
}

func node(t testing.TB, x *lang.Experiment, address string) *lang.Node {
	t.Helper()
	ns, err := x.Find(address)
	if err != nil || len(ns) != 1 {
		t.Fatalf("%s: %d nodes, %v", address, len(ns), err)
	}
	return ns[0]
}

func deps(x *lang.Experiment, n *lang.Node) string {
	var out []string
	for _, d := range n.Deps {
		out = append(out, x.Nodes[d].Address)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

const producers = `
variable "flag" { default = true }
variable "name" { default = "a" }
command "run" "a" {
  argv    = ["sh"]
  outputs = { out = "o" }
}
command "run" "b" {
  argv    = ["sh"]
  outputs = { out = "o" }
}
command "run" "cell" {
  for_each = toset(["x", "y", "z"])
  argv     = ["sh", each.key]
  outputs  = { out = "o" }
}
hypothesis "rank_transfer" "h" {
  tables = []
  from   = "a"
  to     = ["b"]
}
`

func TestEdges(t *testing.T) {
	tests := []struct{ name, inputs, want string }{
		{"direct", "command.a.out", "command.a"},
		{"literal key", `command.cell["y"].out`, `command.cell["y"]`},
		{"attribute of an object", `{ p = command.a.out, q = [command.b.out] }`, "command.a command.b"},
		{"key from a variable", `command.cell[var.flag ? "x" : "y"].out`, `command.cell["x"]`},
		{"all by for", `[for c in command.cell : c.out]`, `command.cell["x"] command.cell["y"] command.cell["z"]`},
		{"all by splat", `command.cell[*].out`, `command.cell["x"] command.cell["y"] command.cell["z"]`},
		{"key inside a for", `[for k in ["x"] : command.cell[k].out]`, `command.cell["x"] command.cell["y"] command.cell["z"]`},
		{"key from a node", `command.cell[hypothesis.h.label].out`, `command.cell["x"] command.cell["y"] command.cell["z"] hypothesis.h`},
		{"through locals", "local.two", "command.a"},
		{"local that takes one branch", "local.branch", "command.b"},
		{"known condition", "var.flag ? command.a.out : command.b.out", "command.a"},
		{"known condition, other branch", "!var.flag ? command.a.out : command.b.out", "command.b"},
		{"unknown condition", "hypothesis.h.ok ? command.a.out : command.b.out", "command.a command.b hypothesis.h"},
		{"nested conditions", `var.flag ? (var.name == "a" ? command.a.out : command.b.out) : command.cell["x"].out`, "command.a"},
		{"condition inside a for", `[for k in ["x"] : k == "x" ? command.a.out : command.b.out]`, "command.a command.b"},
		{"key in a branch not taken", `var.flag ? command.a.out : command.cell["nope"].out`, "command.a"},
		{"missing key in try", `try(command.cell["nope"].out, command.a.out)`, "command.a"},
		{"shadowed name", `[for command in [{ a = { out = 1 } }] : command.a.out]`, ""},
		{"no reference", `"command.a.out"`, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			x, _ := one(t, producers+`
locals {
  one    = command.a.out
  two    = [local.one]
  branch = var.flag ? command.b.out : local.two
}
command "run" "user" {
  argv   = ["sh"]
  inputs = { v = `+tc.inputs+` }
}`)
			if got := deps(x, node(t, x, "command.user")); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestEdgesPerInstance(t *testing.T) {
	x, _ := one(t, producers+`
command "run" "next" {
  for_each = command.cell
  argv     = ["sh"]
  inputs   = { v = each.value.out, w = command.cell[each.key == "x" ? "z" : "y"].out }
}
command "run" "keys" {
  for_each = command.cell
  argv     = ["sh", each.key]
}
command "run" "map" {
  for_each = { p = command.a.out, q = command.b.out }
  argv     = ["sh"]
  inputs   = { v = each.value }
}
command "run" "step" {
  for_each = toset(["1", "2", "3"])
  argv     = ["sh"]
  inputs   = each.key == "1" ? null : { before = command.step[tostring(each.key - 1)].out }
  outputs  = { out = "o" }
}
command "run" "order" {
  argv       = ["sh"]
  depends_on = [command.step["2"], command.cell, hypothesis.h]
}`)
	want := map[string]string{
		`command.next["x"]`: `command.cell["x"] command.cell["z"]`,
		`command.next["y"]`: `command.cell["y"]`,
		`command.keys["x"]`: "",
		`command.map["p"]`:  "command.a command.b", // a map built of several nodes is one value
		`command.step["1"]`: "",
		`command.step["3"]`: `command.step["2"]`,
		`command.order`:     `command.cell["x"] command.cell["y"] command.cell["z"] command.step["2"] hypothesis.h`,
	}
	for addr, w := range want {
		if got := deps(x, node(t, x, addr)); got != w {
			t.Errorf("%s: got %q, want %q", addr, got, w)
		}
	}
	for _, n := range x.Nodes {
		for _, d := range n.Deps {
			if d >= n.Index {
				t.Errorf("%s comes before %s, which it needs", n.Address, x.Nodes[d].Address)
			}
		}
	}
}

// TestUnknown follows one output from unknown to known.
func TestUnknown(t *testing.T) {
	x, s := one(t, producers+`
locals {
  label = "<${hypothesis.h.label}>"
}
command "run" "user" {
  argv   = ["sh", local.label, hypothesis.h.label == "good" ? "yes" : "no"]
  inputs = { n = hypothesis.h.count + 1, fixed = 3 }
}
output "label" { value = upper(local.label) }
`)
	user, h := node(t, x, "command.user"), node(t, x, "hypothesis.h")
	attrs, diags := s.Attributes(user)
	if len(diags) > 0 {
		t.Fatal(text(x, diags))
	}
	argv := attrs["argv"]
	if argv.IsWhollyKnown() || argv.Type() != cty.List(cty.String) || argv.LengthInt() != 3 || !argv.Index(cty.Zero).IsKnown() {
		t.Errorf("argv before the run: %#v", argv)
	}
	if in := attrs["inputs"]; in.GetAttr("n").Type() != cty.Number || in.GetAttr("n").IsKnown() || !in.GetAttr("fixed").IsKnown() {
		t.Errorf("inputs before the run: %#v", in)
	}
	if outs, _ := s.Outputs(); outs[0].Value.IsKnown() || outs[0].Value.Type() != cty.String {
		t.Errorf("output before the run: %#v", outs[0].Value)
	}
	s.Set(h, outputs(4, 0, 0))
	attrs, _ = s.Attributes(user)
	if got := attrs.Strings("argv"); !slices.Equal(got, []string{"sh", "<good>", "yes"}) {
		t.Errorf("argv after the run: %v", got)
	}
	if n := attrs["inputs"].GetAttr("n"); !n.RawEquals(cty.NumberIntVal(5)) {
		t.Errorf("inputs.n after the run: %#v", n)
	}
	if outs, _ := s.Outputs(); !outs[0].Value.RawEquals(cty.StringVal("<GOOD>")) {
		t.Errorf("output after the run: %#v", outs[0].Value)
	}
	s.Set(h, cty.ObjectVal(map[string]cty.Value{"spearman": cty.EmptyObjectVal, "count": cty.Zero, "label": cty.StringVal("bad"), "ok": cty.True}))
	if attrs, _ = s.Attributes(user); !slices.Equal(attrs.Strings("argv"), []string{"sh", "<bad>", "no"}) {
		t.Errorf("argv after another result: %v", attrs.Strings("argv"))
	}
}

// TestForEachValueFollows checks each.value of a for_each whose values come from nodes.
func TestForEachValueFollows(t *testing.T) {
	x, s := one(t, producers+`
command "run" "direct" {
  for_each = command.cell
  argv     = ["sh"]
  inputs   = { v = each.value.out }
}
command "run" "mapped" {
  for_each = { for k, c in command.cell : upper(k) => c.out if k != "z" }
  argv     = ["sh"]
  inputs   = { v = each.value }
}`)
	file := stages.FileValue(stages.File{Object: cache.Object{Size: 7}})
	for _, k := range []string{"x", "y"} {
		s.Set(node(t, x, `command.cell["`+k+`"]`), cty.ObjectVal(map[string]cty.Value{"out": file}))
	}
	for addr, known := range map[string]bool{`command.direct["x"]`: true, `command.direct["z"]`: false, `command.mapped["X"]`: true, `command.mapped["Y"]`: true} {
		attrs, diags := s.Attributes(node(t, x, addr))
		if len(diags) > 0 {
			t.Fatal(text(x, diags))
		}
		v := attrs["inputs"].GetAttr("v")
		if v.IsKnown() != known || known && !v.RawEquals(file) || v.Type() != stages.FileType {
			t.Errorf("%s: %#v", addr, v)
		}
	}
	if _, err := x.Find(`command.mapped["Z"]`); err == nil {
		t.Error("a key that the condition drops made a node")
	}
}

func TestPrecedence(t *testing.T) {
	const src = `
variable "a" { default = "default" }
output "a" { value = var.a }
`
	env := []lang.Assignment{{Name: "a", Value: "env", From: "NBPIPE_VAR_a"}}
	flag := lang.Assignment{Name: "a", Value: "flag", From: "--var"}
	tests := []struct {
		name string
		env  []lang.Assignment
		auto bool
		file bool
		flag bool
		want string
	}{
		{"default", nil, false, false, false, "default"},
		{"environment", env, false, false, false, "env"},
		{"auto file over environment", env, true, false, false, "auto"},
		{"var file over auto file", env, true, true, false, "file"},
		{"var over all", env, true, true, true, "flag"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			files := map[string]string{"x.hcl": src, "sub/given.nbvars": `a = "file"`, ".hidden.hcl": "broken {", "x.hcl~": "broken {", ".#x.hcl": "broken {", "nbpipe.lock": "broken {"}
			if tc.auto {
				files["1.auto.nbvars"], files["2.auto.nbvars"] = `a = "first"`, `a = "auto"`
			}
			dir := writeFiles(t, files)
			o := options()
			o.Environment = tc.env
			if tc.file {
				o.Variables = append(o.Variables, lang.Assignment{File: filepath.Join(dir, "sub/given.nbvars"), From: "--var-file"})
			}
			if tc.flag {
				o.Variables = append(o.Variables, flag)
			}
			_, s := loadOK(t, dir, o)
			if outs, _ := s.Outputs(); outs[0].Value.AsString() != tc.want {
				t.Errorf("got %q, want %q", outs[0].Value.AsString(), tc.want)
			}
		})
	}
}

func TestVariableText(t *testing.T) {
	tests := []struct{ typ, given, want, problem string }{
		{"string", "0.5", `cty.StringVal("0.5")`, ""},
		{"string", "[1]", `cty.StringVal("[1]")`, ""},
		{"number", "0.5", `cty.NumberFloatVal(0.5)`, ""},
		{"number", "half", "", "Wrong type"},
		{"bool", "true", "cty.True", ""},
		{"list(string)", `["a"]`, `cty.ListVal([]cty.Value{cty.StringVal("a")})`, ""},
		{"list(string)", `[`, "", "Invalid value"},
		{"number", `"x"`, "", "Wrong type"},
		{"any", `3`, `cty.NumberIntVal(3)`, ""},
		{"any", `three`, `cty.StringVal("three")`, ""},
		{"any", `{ a = 1 }`, `cty.ObjectVal(map[string]cty.Value{"a":cty.NumberIntVal(1)})`, ""},
		{"number", "1e999999999", "", "Number out of range"},
		{"object({ a = number, b = optional(string, \"z\") })", "{ a = 1 }", `cty.ObjectVal(map[string]cty.Value{"a":cty.NumberIntVal(1), "b":cty.StringVal("z")})`, ""},
	}
	for _, tc := range tests {
		t.Run(tc.typ+" "+tc.given, func(t *testing.T) {
			o := options()
			o.Variables = []lang.Assignment{{Name: "v", Value: tc.given, From: "--var"}}
			x, diags := lang.Load(context.Background(), writeFiles(t, map[string]string{"x.hcl": "variable \"v\" {\n type = " + tc.typ + "\n}\noutput \"v\" { value = var.v }"}), o)
			if tc.problem != "" {
				if len(diags) != 1 || diags[0].Summary != tc.problem {
					t.Errorf("want %q, got:\n%s", tc.problem, text(x, diags))
				}
				return
			}
			outs, _ := x.NewState().Outputs()
			if len(diags) > 0 || outs[0].Value.GoString() != tc.want {
				t.Errorf("got %#v, want %s; %s", outs[0].Value, tc.want, text(x, diags))
			}
		})
	}
}

func TestUndefinedVariableGiven(t *testing.T) {
	o := options()
	o.Environment = []lang.Assignment{{Name: "other", Value: "1", From: "NBPIPE_VAR_other"}} // ignored: environments are shared
	o.Variables = []lang.Assignment{{Name: "alhpa", Value: "1", From: "--var"}}
	x, diags := lang.Load(context.Background(), writeFiles(t, map[string]string{"x.hcl": `variable "alpha" { default = 1 }`}), o)
	if got := strings.Join(strings.Fields(text(x, diags)), " "); len(diags) != 1 || !strings.Contains(got, `Did you mean "alpha"?`) {
		t.Errorf("got:\n%s", got)
	}
}

func TestImport(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"x.hcl": `
variable "secret" {
  default   = "x"
  sensitive = true
}
command "run" "first" {
  argv    = ["sh"]
  outputs = { out = "o" }
}
import "tables" {
  source    = "./parts"
  variables = { source = command.first.out, n = 3, token = var.secret }
}
command "run" "last" {
  argv   = ["sh", "${import.tables.n}"]
  inputs = { t = import.tables.made["a"], again = import.tables.again }
}
dataset "fetch" "d" {
  url   = "u"
  token = import.tables.token
}`,
		"parts/p.hcl": `
variable "source" {}
variable "n" { type = number }
variable "token" {
  type      = string
  sensitive = true
}
preprocess "benchmark_table" "t" {
  for_each = toset(["a", "b"])
  file     = var.source
}
import "deeper" {
  source    = "../deeper"
  variables = { rows = preprocess.t["b"].rows }
}
output "made" { value = { for k, t in preprocess.t : k => t.table } }
output "n" { value = var.n + 1 }
output "again" { value = import.deeper.rows }
output "token" {
  value     = var.token
  sensitive = true
}`,
		"deeper/d.hcl": `
variable "rows" { type = number }
output "rows" { value = var.rows * 2 }
command "run" "x" { argv = ["echo", "${var.rows}"] }
`,
	})
	x, s := loadOK(t, dir, options())
	if got := deps(x, node(t, x, `import.tables.preprocess.t["a"]`)); got != "command.first" {
		t.Errorf("inside the import: %q", got)
	}
	if got, want := deps(x, node(t, x, "command.last")), `import.tables.preprocess.t["a"] import.tables.preprocess.t["b"]`; got != want {
		t.Errorf("user of the import: got %q, want %q", got, want)
	}
	if got, want := deps(x, node(t, x, "import.tables.import.deeper.command.x")), `import.tables.preprocess.t["b"]`; got != want {
		t.Errorf("import within the import: got %q, want %q", got, want)
	}
	s.Set(node(t, x, `import.tables.preprocess.t["b"]`), cty.ObjectVal(map[string]cty.Value{"table": cty.UnknownVal(stages.TableType), "rows": cty.NumberIntVal(21)}))
	attrs, diags := s.Attributes(node(t, x, "command.last"))
	if len(diags) > 0 {
		t.Fatal(text(x, diags))
	}
	if v := attrs["inputs"].GetAttr("again"); !v.RawEquals(cty.NumberIntVal(42)) {
		t.Errorf("a value through two imports: %#v", v)
	}
	if got := attrs.Strings("argv"); !slices.Equal(got, []string{"sh", "4"}) {
		t.Errorf("argv: %v", got)
	}
	if ns, err := x.Find("import.tables"); err != nil || len(ns) != 3 {
		t.Errorf("Find(import.tables): %d nodes, %v", len(ns), err)
	}
}

func TestFind(t *testing.T) {
	x, _ := one(t, producers)
	for address, want := range map[string]int{"command.a": 1, "command.cell": 3, `command.cell["x"]`: 1, "command.cell[x]": 1, "command": 5, "hypothesis": 1} {
		if ns, err := x.Find(address); err != nil || len(ns) != want {
			t.Errorf("%s: %d nodes, %v; want %d", address, len(ns), err, want)
		}
	}
	for address, want := range map[string]string{"command.cel": `"command.cell"`, `command.cell["w"]`: "Known keys: x, y, z", "command.a[x]": "single node", "": "no node"} {
		if ns, err := x.Find(address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d nodes, %v; want %s", address, len(ns), err, want)
		}
	}
}

func TestKeysMayBeAnythingPrintable(t *testing.T) {
	x, _ := one(t, `command "run" "c" {
  for_each = toset(["a b", "\"q\"", "$${x}", "ü", "", "a.b[c]", "\\"])
  argv     = ["sh", each.key]
}`)
	for _, n := range x.Nodes {
		if got := node(t, x, n.Address); got != n {
			t.Errorf("%s is not found by its address", n.Address)
		}
	}
	if len(x.Nodes) != 7 {
		t.Errorf("%d nodes", len(x.Nodes))
	}
}

func TestResources(t *testing.T) {
	x, s := one(t, `command "run" "c" {
  for_each = { a = "16GiB", b = 1000 }
  argv     = ["sh"]
  resources {
    cpus   = 2.5
    gpus   = each.key == "a" ? 1 : 0
    memory = each.value
    time   = "1h30m"
  }
}
command "run" "model" {
  argv = ["sh"]
  resources { gpu_model = "A100" }
}
command "run" "models" {
  argv = ["sh"]
  resources {
    gpus      = 4
    gpu_model = "A100"
  }
}
command "run" "half" {
  argv = ["sh"]
  resources { gpus = 0.5 }
}
command "run" "none" { argv = ["sh"] }`)
	want := map[string]stages.Resources{
		`command.c["a"]`: {CPUs: 2.5, GPUs: 1, Memory: 16 << 30, Time: 5400},
		`command.c["b"]`: {CPUs: 2.5, Memory: 1000, Time: 5400},
		"command.model":  {GPUs: 1, GPUModel: "A100"},
		"command.models": {GPUs: 4, GPUModel: "A100"},
		"command.half":   {GPUs: 1, GPUShare: 0.5},
	}
	for addr, w := range want {
		if got, ok, diags := s.Resources(node(t, x, addr)); !ok || got != w || len(diags) > 0 {
			t.Errorf("%s: %+v, want %+v; %v", addr, got, w, diags)
		}
	}
	if _, ok, _ := s.Resources(node(t, x, "command.none")); ok {
		t.Error("a node without a resources block has one")
	}
}

func TestReads(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"x.hcl": `locals {
  text = file("a.txt")
  none = try(file("none.txt"), "")
  set  = fileset("data", "**/*.csv")
}
command "run" "c" {
  argv   = ["sh"]
  inputs = { data = path("data"), script = path("./a.txt") }
}`,
		"a.txt": "hello", "data/one.csv": "1", "data/deep/two.csv": "2", "data/x.txt": "", "v.auto.nbvars": "",
	})
	x, s := loadOK(t, dir, options())
	attrs, _ := s.Attributes(x.Nodes[0])
	f, ok := stages.AsFile(attrs["inputs"].GetAttr("script"))
	if !ok || f.Name != "a.txt" || f.Source != filepath.Join(x.Root, "a.txt") || f.Digest != cache.DigestOf([]byte("hello")) {
		t.Errorf("path(): %+v", f)
	}
	var got []string
	for _, r := range x.Reads() {
		rel, _ := filepath.Rel(x.Root, r.Path)
		got = append(got, string(r.Kind)+" "+rel+" "+r.Pattern)
		if !r.Same(hashPath) {
			t.Errorf("%+v changed by itself", r)
		}
	}
	want := []string{"listing . ", "file a.txt ", "tree a.txt ", "listing data **/*.csv", "tree data ", "file none.txt ", "file v.auto.nbvars ", "file x.hcl "}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	changes := map[string]string{"a.txt": "new", "none.txt": "now", "data/three.csv": "3", "y.hcl": ""}
	for name, content := range changes {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	changed := 0
	for _, r := range x.Reads() {
		if !r.Same(hashPath) {
			changed++
		}
	}
	if changed != 5 { // the folder's list, a.txt twice, none.txt, fileset
		t.Errorf("%d reads changed", changed)
	}
}

func TestDefaultsAndConversions(t *testing.T) {
	x, s := one(t, `
hypothesis "rank_transfer" "a" {
  tables = []
  from   = 3
  to     = toset(["x"])
  seed   = null
}
report "html" "r" { nodes = [hypothesis.a] }`)
	attrs, _ := s.Attributes(node(t, x, "hypothesis.a"))
	if !attrs["seed"].RawEquals(cty.NumberIntVal(7)) || attrs["from"].AsString() != "3" || attrs["to"].Type() != cty.List(cty.String) {
		t.Errorf("%#v", attrs)
	}
	attrs, _ = s.Attributes(node(t, x, "report.r"))
	if attrs["title"].AsString() != "Report" || !slices.Equal(attrs.Strings("nodes"), []string{"hypothesis.a"}) {
		t.Errorf("%#v", attrs)
	}
	if got := deps(x, node(t, x, "report.r")); got != "hypothesis.a" {
		t.Errorf("edges of a nodes attribute: %q", got)
	}
}

func TestSensitiveStaysMarked(t *testing.T) {
	x, s := one(t, `
variable "token" {
  default   = "hunter2"
  sensitive = true
}
dataset "fetch" "d" {
  url   = "u"
  token = "Bearer ${var.token}"
}
output "o" {
  value     = var.token
  sensitive = true
}`)
	attrs, _ := s.Attributes(x.Nodes[0])
	if !attrs["token"].HasMark(stages.Sensitive) {
		t.Error("the mark got lost")
	}
	outs, _ := s.Outputs()
	if !outs[0].Sensitive {
		t.Error("the output does not say that it is sensitive")
	}
}
