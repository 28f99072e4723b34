package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// deepest is how deep the scanner finds brackets, strings and templates.
func deepest(src []byte) int {
	s := &scanner{src: src, levels: []level{{what: '{'}}}
	most := 0
	for s.i < len(s.src) {
		s.next()
		most = max(most, len(s.levels)-1)
	}
	return most
}

// lexed is how deep HCL's own scanner finds them.
func lexed(src []byte) int {
	tokens, _ := hclsyntax.LexConfig(src, "x.hcl", hcl.InitialPos)
	depth, most := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
			most = max(most, depth)
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			depth--
		}
	}
	return most
}

// FuzzScanner compares the scanner with HCL's: it must never find less depth,
// since it is what keeps HCL's parser from overflowing the stack.
func FuzzScanner(f *testing.F) {
	for _, pattern := range []string{"../testdata/valid/*.hcl", "../testdata/errors/*.hcl"} {
		paths, _ := filepath.Glob(pattern)
		for _, p := range paths {
			if src, err := os.ReadFile(p); err == nil {
				f.Add(string(src))
			}
		}
	}
	for _, s := range []string{
		`a = "$${[(" # ((`, `a = "%%{ ${1} $" (`, `a = "$" ([`, `a = "$$${1}"`, `a = "\"${[1]}"`, `a = "\\${[1]}" /* (( */ // ((`,
		"a = <<EOT\n(((\n  EOT\nb = [1]\n", "a = <<-EOT\n${[1]} EOT\nEOT\n", "a = <<E\n$${((\n%{ if x }(%{ endif }\nE\n", "a = [<<E\n{\nE\n]\n",
		`a = "${"${"${1}"}"}"`, `a = "${~ {a = "}"} ~}"`, "a = <<E\r\n((\r\nE\r\n[", "a = \"\n([", `a = {"}" = "{"}`, "#(\n(", "a = 1/2/*(*/[", "a = <<1\n([",
		"a = <<E E\n(", "a = \"${<<E\n(\nE\n}\"", "é = [", "a = \"%{ for x in [1] }${x}%{ endfor }\"", "\"${{}}\"", "\"${}}\"{{", "~}{", "\"${~}\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if strings.ContainsRune(src, 0) || invalidUTF8([]byte(src)) >= 0 {
			return
		}
		_, diags := hclsyntax.ParseConfig([]byte(src), "x.hcl", hcl.InitialPos)
		if len(src) > 10_000 || diags.HasErrors() && len(diags) > 20 {
			return
		}
		if mine, theirs := deepest([]byte(src)), lexed([]byte(src)); mine < theirs {
			t.Errorf("%d levels, HCL sees %d in %q", mine, theirs, src)
		}
	})
}

// TestPieces parses a large file in pieces and whole, and compares the places.
func TestPieces(t *testing.T) {
	block := "locals {\n  a = <<EOT\n}\n\n(\nEOT\n  b = { c = \"x\ty\" }\n}\n\n/* }\n\n*/\n"
	src := []byte("\xef\xbb\xbf" + strings.Repeat(block, 5000))
	cuts, _, bad := check(src, 1<<30)
	if bad != nil || len(cuts) < 3 {
		t.Fatalf("%d cuts, %+v", len(cuts), bad)
	}
	got := pieces(src, "x.hcl", cuts)
	whole, diags := hclsyntax.ParseConfig(src, "x.hcl", hcl.InitialPos)
	if got == nil || diags.HasErrors() {
		t.Fatal(diags)
	}
	want := whole.Body.(*hclsyntax.Body)
	if len(got.Blocks) != len(want.Blocks) {
		t.Fatalf("%d blocks, want %d", len(got.Blocks), len(want.Blocks))
	}
	for i, b := range got.Blocks {
		if g, w := b.Range(), want.Blocks[i].Range(); g != w {
			t.Fatalf("block %d: %v, want %v", i, g, w)
		}
		if g, w := b.Body.Attributes["b"].Expr.Range(), want.Blocks[i].Body.Attributes["b"].Expr.Range(); g != w {
			t.Fatalf("block %d: %v, want %v", i, g, w)
		}
	}
}

func TestMatches(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"*.csv", "a.csv", true}, {"*.csv", "d/a.csv", false}, {"**/*.csv", "a.csv", true}, {"**/*.csv", "d/e/a.csv", true},
		{"d/**", "d/e/f", true}, {"d/**", "e/f", false}, {"**", "a", true}, {"**/**/x", "x", true}, {"a?c", "abc", true}, {"[ab]", "c", false},
	}
	for _, tc := range tests {
		if got := matches(strings.Split(tc.pattern, "/"), strings.Split(tc.name, "/")); got != tc.want {
			t.Errorf("%s on %s: %v", tc.pattern, tc.name, got)
		}
	}
}
