package lang_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/racetest"
)

// fuzzMemory is how many bytes of live and not yet collected objects a file may take.
const fuzzMemory = 2 << 30

// nasties are inputs of the kinds that have broken configuration languages.
var nasties = []string{
	"",
	"\ufeff",
	"a = 1",
	"{",
	"\x00",
	"\xff\xfe",
	`locals { a = local.a }`,
	`locals { a = local.b, b = local.a }`,
	"locals {\n a = local.b\n b = [for x in local.a : x]\n}",
	"locals {\n a = try(local.b, 1)\n b = can(local.a)\n}",
	`locals { a = [for x in range(100000) : [for y in range(100000) : x * y]] }`,
	`locals { a = join("", [for x in range(100000) : format("%100000s", "x")]) }`,
	`locals { a = 1e1000000000 }`,
	`locals { a = 9e99999 * 9e99999, b = 1 / 0, c = -1 % 0 }`,
	"locals {\n a = tostring(1e1000)\n b = pow(10, 400)\n c = format(\"%999999999d\", 1)\n}",
	`locals { a = ` + strings.Repeat("[", 150) + strings.Repeat("]", 150) + ` }`,
	`locals { a = "` + strings.Repeat("${", 50) + "1" + strings.Repeat("}", 50) + `" }`,
	"locals {\n a = <<EOT\n${<<EOU\n%{ for x in [1] ~}\n${x}\n%{ endfor ~}\nEOU\n}\nEOT\n}",
	"locals {\n a = {a=1,\"a\"=2,(null)=3}\n}",
	`command "run" "c" { argv = command.c.x }`,
	`command "run" "c" { argv = [command.c["x"]] }`,
	"command \"run\" \"c\" {\n for_each = command.c\n argv = [each.key]\n}",
	"command \"run\" \"c\" {\n for_each = toset([\"a\", \"b\"])\n argv = [each.key]\n outputs = { o = \"o\" }\n inputs = { a = command.c[each.key == \"a\" ? \"b\" : \"c\"].o }\n}",
	"command \"run\" \"c\" {\n for_each = { for i in range(100) : \"${i}\" => i }\n argv = [each.value]\n outputs = { o = \"o\" }\n}\ncommand \"run\" \"d\" {\n for_each = command.c\n argv = [for k, v in command.c : k if k != each.key]\n inputs = command.c[*].o\n}",
	"command \"run\" \"c\" {\n for_each = { a = command.d.o, b = null }\n argv = [each.value == null ? \"x\" : \"y\"]\n}\ncommand \"run\" \"d\" {\n argv = []\n outputs = { o = \"o\" }\n depends_on = [command.e]\n}\ncommand \"run\" \"e\" {\n argv = [1]\n}",
	"variable \"v\" {\n type = object({ a = optional(list(object({ b = optional(number, 1) })), []), c = any })\n default = { c = null }\n validation {\n condition = var.v.c == null\n error_message = \"no\"\n }\n}\noutput \"o\" {\n value = var.v\n}",
	"variable \"v\" {\n default = sensitive(\"x\")\n sensitive = true\n}\noutput \"o\" {\n value = [var.v]\n}\ncommand \"run\" \"c\" {\n argv = [var.v]\n for_each = var.v\n}",
	"import \"a\" {\n source = \"./child\"\n variables = { n = command.c.o }\n}\ncommand \"run\" \"c\" {\n argv = [import.a.out]\n outputs = { o = \"o\" }\n}",
	"import \"a\" {\n source = \"./child\"\n variables = { n = import.b.out }\n}\nimport \"b\" {\n source = \"./child\"\n variables = { n = import.a.out }\n}\noutput \"x\" {\n value = import.a.out\n}",
	`import "a" { source = "." }`,
	"locals {\n f = path(\"data.txt\")\n g = \"${path(\"data.txt\")}\"\n h = file(\"data.txt\")\n i = fileset(\".\", \"**\")\n j = path(\"../x\")\n}",
	"hypothesis \"rank_transfer\" \"h\" {\n tables = []\n from = \"a\"\n to = [\"b\"]\n expect \"e\" {\n value = self.spearman[\"b\"].value\n equals = .5\n interval = [self.count, null]\n claim = \"c\"\n kind = \"print\"\n }\n expect \"f\" {\n value = self[\"label\"]\n equals = \"x\"\n claim = self.label\n }\n}",
	"hypothesis \"rank_transfer\" \"h\" {\n for_each = { a = { x = 1 } }\n tables = []\n from = \"a\"\n to = [\"b\"]\n expect \"e\" {\n for_each = merge(each.value, { y = null, z = \"t\" })\n value = self.spearman[each.key].value\n min = each.value\n claim = each.key\n }\n}",
	"report \"html\" \"r\" {\n nodes = [report.r, hypothesis.h, command.c[\"x\"]]\n title = null\n}",
	"settings { required_version = \">= 0, ~> 1.2.3-x, !\" }",
	"output \"o\" {\n value = [for k, v in {} : v...]\n}\nlocals {\n x = {for k in [\"a\",\"a\"] : k => k...}\n y = [1][*].z\n z = null[*]\n w = [[1]].0.0\n}",
	"locals {\n a = merge([for i in range(3) : {\"${i}\" = i}]...)\n b = concat(null...)\n c = max([]...)\n d = setproduct([1,2],[\"a\"],[true])\n e = flatten([[[1]],[]])\n f = regex(\"(a*)*$\", \"aaaa\")\n g = jsondecode(\"{}\").x\n h = templatefile(\"x\", {})\n}",
}

// FuzzLoad loads, checks and evaluates whole files: no input may panic, hang, or
// take memory out of proportion, and the same input has the same problems.
func FuzzLoad(f *testing.F) {
	racetest.Skip(f, "loading is the work of one goroutine")
	for _, pattern := range []string{"testdata/valid/*.hcl", "testdata/errors/*.hcl", "testdata/errors/*/*.hcl", "../../experiments/*/*.hcl"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, p := range paths {
			if src, err := os.ReadFile(p); err == nil && len(src) < 100_000 {
				f.Add(src)
			}
		}
	}
	for _, s := range nasties {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	write(f, dir, "child/child.hcl", "variable \"n\" {\n default = 1\n}\ncommand \"run\" \"in\" {\n argv = [\"x\"]\n inputs = { n = var.n }\n outputs = { o = \"o\" }\n}\noutput \"out\" {\n value = command.in.o\n}\n")
	write(f, dir, "data.txt", "some text\n")
	path := filepath.Join(dir, "x.hcl")
	f.Fuzz(func(t *testing.T, src []byte) {
		if err := os.WriteFile(path, src, 0o600); err != nil {
			t.Fatal(err)
		}
		defer watch(t)()
		var loads [2]string
		for i := range loads {
			within(t, mostWork, func(ctx context.Context) { loads[i] = exercise(t, ctx, path) })
		}
		if loads[0] != loads[1] && !t.Failed() {
			t.Errorf("two loads differ:\n%s\n---\n%s", loads[0], loads[1])
		}
	})
}

// watch ends the process where an input takes too much memory: the fuzzer keeps the
// input, and the stacks say where it was.
func watch(t *testing.T) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
			metrics.Read(sample)
			if n := sample[0].Value.Uint64(); n > fuzzMemory {
				panic(fmt.Sprintf("it takes %d MiB", n>>20))
			}
		}
	}()
	return func() { close(done) }
}

// exercise does with a file what the program does, and gives what a user would see.
func exercise(t *testing.T, ctx context.Context, path string) string {
	t.Helper()
	x, diags := lang.Load(ctx, path, options())
	s := x.NewState()
	if !diags.HasErrors() {
		diags = append(diags, x.Check(s)...)
	}
	shown := text(x, diags)
	if strings.Contains(shown, "Internal error") {
		t.Errorf("%s", shown)
	}
	if diags.HasErrors() {
		return shown
	}
	for _, n := range x.Nodes {
		attrs, d := s.Attributes(n)
		diags = append(diags, d...)
		outputs := made(s.OutputTypes(n, attrs))
		s.Set(n, outputs)
		_, d = s.Verdicts(n, outputs)
		diags = append(diags, d...)
		if found, err := x.Find(n.Address); err != nil || len(found) != 1 || found[0] != n {
			t.Errorf("Find(%s): %v, %v", n.Address, found, err)
		}
		for _, dep := range n.Deps {
			if dep >= n.Index {
				t.Errorf("%s comes before %s, on which it depends", n.Address, x.Nodes[dep].Address)
			}
		}
	}
	_, d := s.Outputs()
	diags = append(diags, d...)
	for _, r := range x.Reads() {
		if !r.Same(hashPath) {
			t.Errorf("%s %s is not the same", r.Kind, r.Path)
		}
	}
	shown += text(x, diags)
	if strings.Contains(shown, "Internal error") {
		t.Errorf("%s", shown)
	}
	return shown
}

// made is some value of a type, as a stage would make it.
func made(t cty.Type) cty.Value {
	switch {
	case t == cty.Number:
		return cty.NumberFloatVal(0.5)
	case t == cty.String:
		return cty.StringVal("text")
	case t == cty.Bool:
		return cty.True
	case t.Equals(stages.FileType):
		return stages.FileValue(stages.File{Name: "file"})
	case t.Equals(stages.TableType):
		return stages.TableValue(stages.Table{})
	case t.IsMapType():
		return cty.MapVal(map[string]cty.Value{"b": made(t.ElementType())})
	case t.IsObjectType():
		members := map[string]cty.Value{}
		for n, m := range t.AttributeTypes() {
			members[n] = made(m)
		}
		return cty.ObjectVal(members)
	}
	return cty.NullVal(t)
}

// write makes a file below dir.
func write(t testing.TB, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
