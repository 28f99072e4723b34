package diagnostic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// PrintOptions say how problems are shown.
type PrintOptions struct {
	Color bool
	Width int // columns of the terminal; 0 means 80
}

const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	dim    = "\x1b[2m"
	off    = "\x1b[0m"
)

// report is a problem as it is shown.
type report struct {
	Severity string   `json:"severity"`
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail,omitempty"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	EndLine  int      `json:"end_line,omitempty"`
	EndCol   int      `json:"end_column,omitempty"`
	Block    string   `json:"block,omitempty"`
	Snippet  string   `json:"snippet,omitempty"`
	Values   []string `json:"values,omitempty"`

	start, end int // of the underline, in runes of Snippet
}

// Write writes problems for people.
func Write(w io.Writer, diags hcl.Diagnostics, sources map[string][]byte, o PrintOptions) error {
	if o.Width <= 0 {
		o.Width = 80
	}
	var b bytes.Buffer
	blocks := outline{}
	for i, d := range diags {
		if i > 0 {
			b.WriteByte('\n')
		}
		r := describe(d, sources, blocks)
		r.print(&b, o)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// JSON is problems for programs.
func JSON(diags hcl.Diagnostics, sources map[string][]byte) ([]byte, error) {
	out := make([]report, 0, len(diags))
	blocks := outline{}
	for _, d := range diags {
		out = append(out, describe(d, sources, blocks))
	}
	return json.Marshal(out)
}

// Secret as a problem's Extra says that its line may hold a sensitive value: the
// line is shown up to the offset Shown only.
type Secret struct{ Shown int }

// withheld stands for the rest of a line that is not shown.
const withheld = " (not shown)"

func describe(d *hcl.Diagnostic, sources map[string][]byte, blocks outline) report {
	r := report{Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		r.Severity = "warning"
	}
	if d.Subject != nil {
		r.File, r.Line, r.Column = d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column
		r.EndLine, r.EndCol = d.Subject.End.Line, d.Subject.End.Column
		src := sources[d.Subject.Filename]
		if s, secret := d.Extra.(Secret); !secret {
			r.snippet(*d.Subject, src)
			r.Block = blocks.at(d.Subject.Filename, src, d.Subject.Start.Byte)
		} else if s.Shown > 0 && s.Shown <= len(src) {
			r.snippet(*d.Subject, src[:s.Shown])
			r.Snippet += withheld
		}
	}
	r.Values = valuesOf(d)
	return r
}

// maxSnippet is how many runes of a line are shown around a problem.
const maxSnippet = 160

func (r *report) snippet(at hcl.Range, src []byte) {
	if at.Start.Byte < 0 || at.Start.Byte > len(src) || len(src) == 0 || at.End.Byte < at.Start.Byte {
		return
	}
	begin := bytes.LastIndexByte(src[:at.Start.Byte], '\n') + 1
	stop := len(src)
	if n := bytes.IndexByte(src[at.Start.Byte:], '\n'); n >= 0 {
		stop = at.Start.Byte + n
	}
	last := min(max(at.End.Byte, at.Start.Byte), stop)
	line := string(bytes.ToValidUTF8(bytes.TrimRight(src[begin:stop], "\r"), []byte("?")))
	head := utf8.RuneCount(src[begin:at.Start.Byte])
	width := max(1, utf8.RuneCount(src[at.Start.Byte:last]))
	runes := []rune(strings.Map(visible, line))
	cut := 0
	if len(runes) > maxSnippet && head > maxSnippet/2 {
		cut = min(head-maxSnippet/2, len(runes))
	}
	runes = runes[cut:]
	if len(runes) > maxSnippet {
		runes = runes[:maxSnippet]
	}
	r.Snippet = string(runes)
	r.start = min(head-cut, len(runes))
	r.end = min(r.start+width, max(len(runes), r.start+1))
}

// visible keeps control characters of a file from reaching the terminal.
func visible(c rune) rune {
	if c == '\t' {
		return ' '
	}
	if c < 0x20 || c == 0x7f || c >= 0x80 && c < 0xa0 || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 {
		return '?'
	}
	return c
}

func (r *report) print(b *bytes.Buffer, o PrintOptions) {
	paint := func(code, s string) string {
		if o.Color {
			return code + s + off
		}
		return s
	}
	color, word := red, "Error"
	if r.Severity == "warning" {
		color, word = yellow, "Warning"
	}
	fmt.Fprintf(b, "%s %s\n", paint(bold+color, word+":"), paint(bold, clean(r.Summary)))
	if r.File != "" {
		where := fmt.Sprintf("%s:%d,%d", r.File, r.Line, r.Column)
		if strings.HasPrefix(r.File, "<") { // a value from outside any file
			where = strings.Trim(r.File, "<>")
		}
		if r.Block != "" {
			where += ", in " + r.Block
		}
		fmt.Fprintf(b, "  %s %s\n", paint(dim, "at"), clean(where))
	}
	if r.Snippet != "" {
		number := fmt.Sprintf("%5d | ", r.Line)
		fmt.Fprintf(b, "%s%s\n", paint(dim, number), r.Snippet)
		fmt.Fprintf(b, "%s%s%s\n", paint(dim, "      | "), strings.Repeat(" ", r.start), paint(color, strings.Repeat("^", r.end-r.start)))
	}
	for _, v := range r.Values {
		fmt.Fprintf(b, "%s%s\n", paint(dim, "      | "), clean(v))
	}
	for _, line := range Wrap(clean(r.Detail), o.Width-2) {
		fmt.Fprintf(b, "  %s\n", line)
	}
}

func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\n' {
			return c
		}
		return visible(c)
	}, s)
}

// Wrap breaks text at spaces into lines of at most width characters, longer words
// aside; a newline stays one.
func Wrap(s string, width int) []string {
	var out []string
	for para := range strings.SplitSeq(s, "\n") {
		line, n := "", 0
		for _, word := range strings.Fields(para) {
			w := utf8.RuneCountInString(word)
			if n > 0 && n+1+w > width {
				out = append(out, line)
				line, n = "", 0
			}
			if n > 0 {
				line, n = line+" ", n+1
			}
			line, n = line+word, n+w
		}
		if line != "" {
			out = append(out, line)
		}
	}
	return out
}

// maxValues is how many values are shown with a problem.
const maxValues = 6

// valuesOf says which values the references of a problem's expression had.
func valuesOf(d *hcl.Diagnostic) []string {
	e, ok := d.Expression.(hclsyntax.Expression)
	if !ok || e == nil || d.EvalContext == nil {
		return nil
	}
	var out []string
	References(e, func(t hcl.Traversal) {
		text := TraversalText(t)
		v, diags := t.TraverseAbs(d.EvalContext)
		if diags.HasErrors() {
			return
		}
		line := text + " is " + ValueText(v)
		if !slices.Contains(out, line) && len(out) < maxValues {
			out = append(out, line)
		}
	})
	slices.Sort(out)
	return out
}

// Wrapper is an expression put around another, which HCL's own walk does not
// see through.
type Wrapper interface{ Inner() hclsyntax.Expression }

// References calls f for every reference in an expression.
func References(e hclsyntax.Expression, f func(hcl.Traversal)) {
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		for {
			w, ok := n.(Wrapper)
			if !ok {
				break
			}
			n = w.Inner()
		}
		if st, ok := n.(*hclsyntax.ScopeTraversalExpr); ok {
			f(st.Traversal)
		}
		return nil
	})
}

// TraversalText writes a reference as it stands in a file.
func TraversalText(t hcl.Traversal) string {
	var b strings.Builder
	for _, s := range t {
		switch s := s.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			b.WriteString("[" + ValueText(s.Key) + "]")
		}
	}
	return b.String()
}

// outline finds the block around a place, by file.
type outline map[string][]span

type span struct {
	start, end int
	text       string
}

func (o outline) at(name string, src []byte, offset int) string {
	spans, ok := o[name]
	if !ok {
		spans = blocksOf(src)
		o[name] = spans
	}
	i, found := slices.BinarySearchFunc(spans, offset, func(s span, at int) int { return s.start - at })
	if !found {
		i--
	}
	if i >= 0 && i < len(spans) && offset < spans[i].end {
		return spans[i].text
	}
	return ""
}

// header is a line without the comment after its brace.
func header(line string) string {
	if open := strings.IndexByte(line, '{'); open >= 0 {
		rest := strings.TrimSpace(line[open+1:])
		if strings.HasPrefix(rest, "#") || strings.HasPrefix(rest, "//") {
			return line[:open+1]
		}
	}
	return strings.TrimRight(line, "\r\n \t")
}

// blocksOf finds the blocks of a file by their shape: a line that starts with a
// word and ends with a brace opens one, a line that is a brace closes it. It
// works where the file has syntax errors, too.
func blocksOf(src []byte) []span {
	var out []span
	offset := 0
	for line := range bytes.Lines(src) {
		text := header(string(bytes.ToValidUTF8(line, nil)))
		switch {
		case text == "}" && len(out) > 0 && out[len(out)-1].end == 1<<62:
			out[len(out)-1].end = offset + len(line)
		case strings.HasSuffix(text, "{") && text[0] >= 'a' && text[0] <= 'z':
			out = append(out, span{offset, 1 << 62, strings.TrimRight(text, " {")})
		case len(text) > 0 && text[0] >= 'a' && text[0] <= 'z' && len(out) > 0 && out[len(out)-1].end == 1<<62:
			out[len(out)-1].end = offset
		}
		offset += len(line)
	}
	return out
}
