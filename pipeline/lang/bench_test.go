package lang_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nbpipe/nbpipe/pipeline/lang"
)

const benchNodes = 10_000

func literalBlocks(n int) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "command \"run\" \"c%d\" {\n  argv    = [\"sh\", \"-c\", \"echo ${%d} > out.txt\"]\n  outputs = { text = \"out.txt\" }\n}\n\n", i, i)
	}
	return b.String()
}

func chainBlocks(n int) string {
	var b bytes.Buffer
	fmt.Fprint(&b, "command \"run\" \"c0\" {\n  argv    = [\"sh\"]\n  outputs = { text = \"out.txt\" }\n}\n")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, "command \"run\" \"c%d\" {\n  argv    = [\"sh\", \"-c\", \"cat in/a > out.txt\"]\n  inputs  = { a = command.c%d.text }\n  outputs = { text = \"out.txt\" }\n}\n", i, i-1)
	}
	return b.String()
}

const cells = `
command "run" "cell" {
  for_each = toset([for p in setproduct(range(100), range(100)) : "${p[0]}-${p[1]}"])
  argv     = ["sh", "-c", "echo ${each.key} > out.txt"]
  outputs  = { text = "out.txt" }
}
`

const fanIn = cells + `
command "run" "all" {
  argv    = ["cat", "in"]
  inputs  = { cells = { for k, c in command.cell : k => c.text }, list = [for c in command.cell : c.text] }
  outputs = { text = "out.txt" }
}
`

const perCell = cells + `
command "run" "next" {
  for_each = command.cell
  argv     = ["cat", "in/a"]
  inputs   = { a = command.cell[each.key].text, b = each.value.text }
  outputs  = { text = "out.txt" }
}
`

func BenchmarkParseOnly(b *testing.B) {
	src := []byte(literalBlocks(benchNodes))
	before := cpu()
	for b.Loop() {
		hclsyntax.ParseConfig(src, "x.hcl", hcl.InitialPos)
	}
	b.ReportMetric(float64((cpu()-before).Milliseconds())/float64(b.N), "cpu-ms/op")
}

func BenchmarkLiteral(b *testing.B) { benchmark(b, literalBlocks(benchNodes), benchNodes) }
func BenchmarkForEach(b *testing.B) { benchmark(b, cells, benchNodes) }
func BenchmarkChain(b *testing.B)   { benchmark(b, chainBlocks(benchNodes), benchNodes) }
func BenchmarkFanIn(b *testing.B)   { benchmark(b, fanIn, benchNodes+1) }
func BenchmarkPerCell(b *testing.B) { benchmark(b, perCell, 2*benchNodes) }

// benchmark measures Load and the attributes of all nodes.
func benchmark(b *testing.B, src string, nodes int) {
	path := filepath.Join(b.TempDir(), "x.hcl")
	if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		x, diags := lang.Load(context.Background(), path, options())
		if diags.HasErrors() {
			b.Fatal(diags)
		}
		if len(x.Nodes) != nodes {
			b.Fatalf("%d nodes, want %d", len(x.Nodes), nodes)
		}
		s := x.NewState()
		for _, n := range x.Nodes {
			if _, diags := s.Attributes(n); diags.HasErrors() {
				b.Fatal(diags)
			}
		}
	}
	b.ReportMetric(float64((cpu()-before).Milliseconds())/float64(b.N), "cpu-ms/op")
}

// cpu is the time this process has spent on all cores, collection of garbage included.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
