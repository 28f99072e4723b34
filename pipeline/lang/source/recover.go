package source

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// maxBroken is after how many broken parts of a file the rest is given up.
const maxBroken = 100

// Part is a stretch of a file that has a syntax error.
type Part struct {
	Start, End int    // offsets
	First      string // its first word
	Assigns    int    // how many equals signs it holds
}

// recovered parses a file with syntax errors block by block. HCL's parser goes
// on after an error, too, but in the state that the error left: one brace or
// quote too few makes it take text for code to the end of the file. Here each
// block is parsed by itself, so that an error stays in its block. The body holds
// the blocks without errors only; the others are in Broken, and every word of
// them in Lost, since it may be the name of what they would have defined.
func (t *Tree) recovered(src []byte, name string, variables bool) (*File, hcl.Diagnostics) {
	f := &File{Name: name, Body: &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}, Lost: map[string]bool{}}
	begins := t.beginsBlock
	if variables {
		begins = beginsAssignment
	}
	var all hcl.Diagnostics
	for start := hcl.InitialPos; start.Byte < len(src); {
		end, trusted := boundary(src, start.Byte, begins)
		piece, diags := parsePiece(src, name, start, end)
		if piece == nil || diags.HasErrors() {
			if trusted {
				// The depth of brackets after an error means little.
				end = nextBegin(src, start.Byte, end, begins)
			}
			if len(f.Broken) >= maxBroken {
				end = len(src)
			}
			f.lose(src, start.Byte, end)
		}
		all = append(all, diags...)
		if piece != nil && !diags.HasErrors() {
			all = append(all, f.add(piece)...)
		}
		start.Line += bytes.Count(src[start.Byte:end], []byte{'\n'})
		start.Byte = end
	}
	for n := range f.Body.Attributes {
		if len(f.Broken) > 0 && !variables {
			f.Lost[n] = true // the block around it may be what is broken
		}
	}
	return f, all
}

func parsePiece(src []byte, name string, start hcl.Pos, end int) (*hclsyntax.Body, hcl.Diagnostics) {
	text := src[start.Byte:end]
	file, diags := hclsyntax.ParseConfig(text, name, start)
	diags = withoutCascade(diags)
	leadingPoint(src, diags)
	openHeredoc(text, name, start, diags)
	otherLanguages(src, diags)
	body, _ := file.Body.(*hclsyntax.Body)
	return body, diags
}

// add takes over what a piece without errors holds.
func (f *File) add(piece *hclsyntax.Body) (diags hcl.Diagnostics) {
	f.Body.Blocks = append(f.Body.Blocks, piece.Blocks...)
	for n, a := range piece.Attributes {
		if old := f.Body.Attributes[n]; old != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Attribute redefined",
				Detail: fmt.Sprintf("%q is set already, in line %d. Remove one of the two.", n, old.NameRange.Start.Line), Subject: &a.NameRange})
			continue
		}
		f.Body.Attributes[n] = a
	}
	slices.SortFunc(diags, func(a, b *hcl.Diagnostic) int {
		return cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte)
	})
	return diags
}

// lose notes a part with a syntax error.
func (f *File) lose(src []byte, start, end int) {
	p := Part{Start: start, End: end, Assigns: bytes.Count(src[start:end], []byte{'='})}
	for i := start; i < end; {
		n := wordLength(src[i:end])
		if n == 0 {
			_, w := utf8.DecodeRune(src[i:end])
			i += w
			continue
		}
		word := string(src[i : i+n])
		if p.First == "" {
			p.First = word
		}
		f.Lost[word] = true
		i += n
	}
	f.Broken = append(f.Broken, p)
}

func wordLength(src []byte) int {
	n := 0
	for n < len(src) {
		r, w := utf8.DecodeRune(src[n:])
		if r != '_' && !unicode.IsLetter(r) && (n == 0 || r != '-' && !unicode.IsDigit(r)) {
			break
		}
		n += w
	}
	return n
}

// boundary finds where the piece that begins at start ends: at the first line
// after it that stands outside all brackets, or at a line that begins a block, by
// its first word and indentation, though brackets are open there. trusted: it is
// the first of the two.
func boundary(src []byte, start int, begins func(line []byte) bool) (end int, trusted bool) {
	s := &scanner{src: src, i: start, levels: []level{{what: '{'}}}
	indent := -1
	inText := 0 // until here a heredoc goes, which does end
	for s.i < len(src) {
		if indent < 0 {
			if c := src[s.i]; c != ' ' && c != '\t' && c != '\r' && c != '\n' && c != '#' && !bytes.HasPrefix(src[s.i:], []byte("//")) && !bytes.HasPrefix(src[s.i:], []byte("/*")) {
				indent = s.i - lineStart(src, s.i)
			}
		}
		modes := len(s.modes)
		s.next()
		if len(s.modes) > modes && s.modes[modes].heredoc {
			if n := heredocEnd(src[s.i:], s.modes[modes].marker); n >= 0 {
				inText = max(inText, s.i+n)
			}
		}
		if src[s.i-1] != '\n' || indent < 0 {
			continue
		}
		switch {
		case len(s.levels) == 1 && len(s.modes) == 0 && !s.operator:
			return s.i, true
		case s.i >= inText && beginsAt(src, s.i, indent, begins):
			return s.i, false
		}
	}
	return len(src), false
}

func lineStart(src []byte, at int) int { return bytes.LastIndexByte(src[:at], '\n') + 1 }

// heredocEnd finds the line that ends a heredoc; -1: there is none.
func heredocEnd(src []byte, marker string) int {
	for i := 0; i < len(src); {
		n := bytes.Index(src[i:], []byte(marker))
		if n < 0 {
			return -1
		}
		at := i + n
		i = at + len(marker)
		rest, _, _ := bytes.Cut(src[i:], []byte{'\n'})
		if len(bytes.TrimSpace(rest)) == 0 && len(bytes.TrimSpace(src[lineStart(src, at):at])) == 0 {
			return at
		}
	}
	return -1
}

// nextBegin finds the next line from `from` on that begins a block.
func nextBegin(src []byte, start, from int, begins func(line []byte) bool) int {
	first := start
	for first < len(src) && (src[first] == ' ' || src[first] == '\t' || src[first] == '\n' || src[first] == '\r') {
		first++
	}
	indent := first - lineStart(src, first)
	for from < len(src) && !beginsAt(src, from, indent, begins) {
		n := bytes.IndexByte(src[from:], '\n')
		if n < 0 {
			return len(src)
		}
		from += n + 1
	}
	return from
}

func beginsAt(src []byte, at, indent int, begins func(line []byte) bool) bool {
	line, _, _ := bytes.Cut(src[at:min(len(src), at+1000)], []byte{'\n'})
	trimmed := bytes.TrimLeft(line, " \t")
	return len(line)-len(trimmed) == indent && begins(trimmed)
}

// beginsBlock says whether a line starts as a block of an experiment does.
func (t *Tree) beginsBlock(line []byte) bool {
	n := wordLength(line)
	if n == 0 || !slices.Contains(t.Keywords, string(line[:n])) {
		return false
	}
	rest := bytes.TrimLeft(line[n:], " \t")
	return len(rest) > 0 && (rest[0] == '"' || rest[0] == '{' || wordLength(rest) > 0)
}

// beginsAssignment says whether a line starts as one of a file of variables does.
func beginsAssignment(line []byte) bool {
	n := wordLength(line)
	rest := bytes.TrimLeft(line[n:], " \t")
	return n > 0 && len(rest) > 0 && rest[0] == '=' && (len(rest) == 1 || rest[1] != '=' && rest[1] != '>')
}
