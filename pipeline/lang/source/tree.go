package source

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nbpipe/nbpipe/cache"
)

// MaxTotalSize bounds all files of an experiment together, imports included.
const MaxTotalSize = 64 << 20

// The endings of the files that belong to a folder.
const (
	ExperimentSuffix = ".hcl"
	VariablesSuffix  = ".auto.nbvars"
)

// Tree reads files below an experiment's root. It is safe for concurrent use.
type Tree struct {
	Root   string // absolute, links resolved
	Single string // absolute path of the one file, if it is not a folder
	// Keywords begin the blocks of a file: after a syntax error, reading goes on
	// at a line that starts with one.
	Keywords []string

	given string // the folder as the user named it
	hash  func(string) (cache.Object, error)

	mu      sync.Mutex
	reads   map[readKey]Read
	objects map[string]cache.Object
	sources map[string][]byte
	total   int64
	tokens  int
}

type readKey struct {
	kind          ReadKind
	path, pattern string
}

// File is a parsed file.
type File struct {
	Name   string          // as ranges carry it
	Body   *hclsyntax.Body // without what is broken
	Broken []Part          // where there are syntax errors
	Lost   map[string]bool // names that the broken parts may define
}

// Open finds the experiment that path names.
func Open(path string, hash func(string) (cache.Object, error)) (*Tree, error) {
	t := &Tree{hash: hash, reads: map[readKey]Read{}, objects: map[string]cache.Object{}, sources: map[string][]byte{}}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	resolved, err := t.follow(abs)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(resolved)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		t.Root, t.given = resolved, path
		return t, nil
	}
	t.Root, t.Single, t.given = filepath.Dir(resolved), resolved, filepath.Dir(path)
	return t, nil
}

// Display is the name that ranges carry for a file below the root.
func (t *Tree) Display(abs string) string {
	rel, err := filepath.Rel(t.Root, abs)
	if err != nil {
		return abs
	}
	return filepath.Join(t.given, rel)
}

// Sources are the contents of the files read so far, by name.
func (t *Tree) Sources() map[string][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(map[string][]byte, len(t.sources))
	for k, v := range t.sources {
		out[k] = v
	}
	return out
}

// Reads lists what was read so far, sorted by path.
func (t *Tree) Reads() []Read {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Read, 0, len(t.reads))
	for _, r := range t.reads {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Read) int {
		return strings.Compare(a.Path+"\x00"+string(a.Kind)+"\x00"+a.Pattern, b.Path+"\x00"+string(b.Kind)+"\x00"+b.Pattern)
	})
	return out
}

func (t *Tree) record(r Read) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reads[readKey{r.Kind, r.Path, r.Pattern}] = r
}

// belongs says whether a name of a folder is part of an experiment. Editors leave
// `.#x.hcl` and `x.hcl~` beside a file that is being edited.
func belongs(name, suffix string) bool {
	return strings.HasSuffix(name, suffix) && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "#")
}

// Folder parses the *.hcl files of a folder, sorted by name, or the single file.
// A file is nil where it could not be read at all.
func (t *Tree) Folder(dir string) ([]*File, hcl.Diagnostics) {
	if t.Single != "" && dir == t.Root {
		f, diags := t.parse(t.Single, false)
		return []*File{f}, diags
	}
	names, err := t.list(dir, ExperimentSuffix)
	if err != nil {
		return nil, problem(t.Display(dir), "The folder cannot be read", plain(err))
	}
	if len(names) == 0 {
		return nil, problem(t.Display(dir), "No experiment in the folder",
			fmt.Sprintf("The folder %s holds no file whose name ends in .hcl.", t.Display(dir)))
	}
	var files []*File
	var diags hcl.Diagnostics
	for _, name := range names {
		f, d := t.parse(filepath.Join(dir, name), false)
		diags = append(diags, d...)
		files = append(files, f)
	}
	return files, diags
}

// AutoVariables parses the *.auto.nbvars files of the root, sorted by name, and
// calls f for each with its problems; its file is nil where it cannot be read.
func (t *Tree) AutoVariables(f func(*File, hcl.Diagnostics)) {
	names, err := t.list(t.Root, VariablesSuffix)
	if err != nil {
		return // Folder reports it
	}
	for _, name := range names {
		f(t.parse(filepath.Join(t.Root, name), true))
	}
}

// Variables parses a file given with --var-file. It may be anywhere.
func (t *Tree) Variables(path string) (*File, hcl.Diagnostics) {
	abs, err := filepath.Abs(path)
	if err == nil {
		abs, err = t.follow(abs)
	}
	if err != nil {
		return nil, problem(path, "The variables file cannot be read", plain(err))
	}
	return t.parseAs(abs, path, true)
}

func (t *Tree) list(dir, suffix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if belongs(e.Name(), suffix) {
			names = append(names, e.Name())
		}
	}
	digest, err := listingDigest(dir)
	t.record(Read{Kind: ReadListing, Path: dir, Digest: digest})
	return names, err
}

// listingDigest is the digest of the names that belong to an experiment's folder.
func listingDigest(dir string) (cache.Digest, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return cache.Digest{}, err
	}
	var b strings.Builder
	for _, e := range entries {
		if belongs(e.Name(), ExperimentSuffix) || belongs(e.Name(), VariablesSuffix) {
			fmt.Fprintf(&b, "%s\x00", e.Name())
		}
	}
	return cache.DigestOf([]byte(b.String())), nil
}

func (t *Tree) parse(path string, variables bool) (*File, hcl.Diagnostics) {
	name := t.Display(path)
	resolved, err := t.follow(path)
	if err != nil {
		return nil, problem(name, "The file cannot be read", plain(err))
	}
	if !Inside(t.Root, resolved) {
		return nil, problem(name, "The file leaves the experiment",
			fmt.Sprintf("%s is a link to %s, outside the experiment's folder. Copy the file into the folder, or use import with a folder inside it.", name, resolved))
	}
	return t.parseAs(resolved, name, variables)
}

func (t *Tree) parseAs(path, name string, variables bool) (*File, hcl.Diagnostics) {
	src, diags := t.read(path, name)
	if diags.HasErrors() {
		return nil, diags
	}
	t.mu.Lock()
	room := MaxTokens - t.tokens
	t.mu.Unlock()
	cuts, tokens, e := check(src, room)
	t.mu.Lock()
	t.tokens += tokens
	t.mu.Unlock()
	if e != nil {
		pos := hcl.Pos{Line: e.at.line, Column: e.at.column, Byte: e.at.offset}
		end := hcl.Pos{Line: e.at.line, Column: e.at.column + 1, Byte: e.at.offset + 1}
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: e.summary, Detail: e.detail,
			Subject: &hcl.Range{Filename: name, Start: pos, End: end}}}
	}
	if len(cuts) > 0 {
		if body := pieces(src, name, cuts); body != nil {
			return &File{Name: name, Body: body}, nil
		}
	} else {
		f, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
		if body, ok := f.Body.(*hclsyntax.Body); ok && len(diags) == 0 {
			return &File{Name: name, Body: body}, nil
		}
	}
	return t.recovered(src, name, variables)
}

// maxOfPart is how many problems of one block's syntax are kept.
const maxOfPart = 100

// withoutCascade drops what follows from another problem at the same place, and
// from a string that was not closed: from there on the parser takes text for
// code and code for text.
func withoutCascade(diags hcl.Diagnostics) hcl.Diagnostics {
	diags = diags[:min(len(diags), maxOfPart):min(len(diags), maxOfPart)]
	badCharacter := map[int]bool{}
	open := -1 // where the first string begins that is not closed
	for _, d := range diags {
		switch {
		case d.Subject == nil:
		case d.Summary == "Invalid character":
			badCharacter[d.Subject.Start.Byte] = true
		case d.Summary == "Invalid multi-line string" && (open < 0 || d.Subject.Start.Byte < open):
			open = d.Subject.Start.Byte
		}
		switch d.Summary {
		case "Missing item separator":
			d.Detail += " If the list ends before this, its closing bracket is missing."
		case "Invalid number literal":
			d.Detail = "The number is too large, or not written as HCL wants it: digits, a point with digits, an exponent, such as 1.5e-3."
		}
	}
	return slices.DeleteFunc(slices.Clone(diags), func(d *hcl.Diagnostic) bool {
		if d.Subject != nil && d.Summary == "Invalid expression" && badCharacter[d.Subject.Start.Byte] {
			return true
		}
		return open >= 0 && (d.Subject != nil && d.Subject.Start.Byte > open || d.Summary == "Invalid string literal" || d.Summary == "Unterminated template string")
	})
}

// openHeredoc points to the begin of a heredoc that does not end, where HCL
// points to the end of the file.
func openHeredoc(src []byte, name string, from hcl.Pos, diags hcl.Diagnostics) {
	for _, d := range diags {
		if d.Summary != "Unterminated template string" {
			continue
		}
		begins := regexp.MustCompile(`(?m)<<-?([A-Za-z_][\w-]*)\r?$`).FindAllSubmatchIndex(src, -1)
		if len(begins) == 0 {
			return
		}
		at := begins[len(begins)-1]
		p := place(src, at[0])
		start := hcl.Pos{Line: from.Line + p.line - 1, Column: p.column, Byte: from.Byte + p.offset}
		end := hcl.Pos{Line: start.Line, Column: p.column + at[3] - at[0], Byte: from.Byte + at[3]}
		marker := src[at[2]:at[3]]
		if regexp.MustCompile(`(?m)^[ \t]*` + string(marker) + `[ \t\r]*$`).Match(src[at[1]:]) {
			continue // this one ends
		}
		d.Subject = &hcl.Range{Filename: name, Start: start, End: end}
		d.Detail = fmt.Sprintf("The text that begins here does not end: a line that holds %s alone must follow.", marker)
	}
}

// otherLanguages explains what is right in other languages.
func otherLanguages(src []byte, diags hcl.Diagnostics) {
	remedies := map[string]string{"and": "HCL writes && for and.", "or": "HCL writes || for or.", "not": "HCL writes ! for not.", "then": "HCL writes CONDITION ? A : B for if."}
	for _, d := range diags {
		switch {
		case d.Summary == "Invalid block definition":
			d.Detail += " If this is to be an attribute, the equals sign is missing: NAME = VALUE."
		case d.Summary == "Missing newline after argument" && d.Subject != nil && d.Subject.CanSliceBytes(src):
			line := src[:d.Subject.Start.Byte]
			line = line[bytes.LastIndexByte(line, '\n')+1:]
			word := string(d.Subject.SliceBytes(src))
			if len(word) > 40 {
				word = strings.ToValidUTF8(word[:40], "") + "..."
			}
			remedy := remedies[word]
			if bytes.HasSuffix(bytes.TrimSpace(line), []byte("= if")) {
				remedy = remedies["then"]
			}
			if remedy == "" {
				remedy = "Text needs quotes, and the elements of a list commas and brackets."
			}
			d.Detail = fmt.Sprintf("The value ends before %q, and one line holds one attribute. %s", word, remedy)
		}
	}
}

// leadingPoint explains numbers such as .5, which papers print and HCL lacks.
func leadingPoint(src []byte, diags hcl.Diagnostics) {
	for _, d := range diags {
		if d.Subject != nil && d.Summary == "Invalid attribute name" {
			end := len(bytes.TrimRight(src[:min(max(0, d.Subject.Start.Byte), len(src))], " \t"))
			if end > 1 && end <= len(src) && src[end-1] == '.' && isDigit(src[end-2]) {
				start := end - 1
				for start > 0 && isDigit(src[start-1]) {
					start--
				}
				d.Detail = fmt.Sprintf("A number does not end with a point: write %s.0, or leave the point out.", src[start:end-1])
			}
		}
		if d.Subject == nil || d.Summary != "Invalid expression" {
			continue
		}
		if i := d.Subject.Start.Byte; i >= 0 && i < len(src) && (src[i] == '\n' || src[i] == '#') {
			d.Detail = "A value is missing here, after the equals sign or operator."
		}
		if i := d.Subject.Start.Byte; i >= 0 && i+1 < len(src) && src[i] == '.' && isDigit(src[i+1]) {
			end := i + 1
			for end < len(src) && isDigit(src[end]) {
				end++
			}
			d.Detail = fmt.Sprintf("A number starts with a digit: write 0%s.", src[i:end])
		}
	}
}

// pieces parses a large file piece by piece; nil where a piece has a problem of
// which the whole file must be told.
func pieces(src []byte, name string, cuts []int) *hclsyntax.Body {
	if len(cuts) == 0 {
		return nil
	}
	body := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}
	start := hcl.InitialPos
	for _, end := range append(cuts, len(src)) {
		f, diags := hclsyntax.ParseConfig(src[start.Byte:end], name, start)
		piece, ok := f.Body.(*hclsyntax.Body)
		if !ok || len(diags) > 0 {
			return nil
		}
		for n, a := range piece.Attributes {
			if body.Attributes[n] != nil {
				return nil
			}
			body.Attributes[n] = a
		}
		body.Blocks = append(body.Blocks, piece.Blocks...)
		start.Line += bytes.Count(src[start.Byte:end], []byte{'\n'})
		start.Byte = end
	}
	return body
}

func (t *Tree) read(path, name string) ([]byte, hcl.Diagnostics) {
	src, err := ReadRegular(path, MaxFileSize)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, problem(name, "The file is too large",
			fmt.Sprintf("%s is over the limit of %d MiB for one file. Use for_each instead of repeated blocks, or split the experiment into several files.", name, MaxFileSize>>20))
	case err != nil:
		return nil, problem(name, "The file cannot be read", plain(err))
	}
	t.record(Read{Kind: ReadFile, Path: path, Digest: sha256.Sum256(src)})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sources[name] = src
	if t.total += int64(len(src)); t.total > MaxTotalSize {
		return nil, problem(name, "The experiment's files are too large",
			fmt.Sprintf("All files of an experiment may have %d MiB together.", MaxTotalSize>>20))
	}
	return src, nil
}

// Parse parses text that is no file, such as the value of --var.
func (t *Tree) Parse(text, name string) (hclsyntax.Expression, hcl.Diagnostics) {
	src := []byte(text)
	t.mu.Lock()
	t.sources[name] = src
	t.mu.Unlock()
	if _, _, e := check(src, MaxTokens); e != nil {
		return nil, problem(name, e.summary, e.detail)
	}
	return hclsyntax.ParseExpression(src, name, hcl.InitialPos)
}

var errTooLarge = errors.New("too large")

// ReadRegular reads a regular file of at most limit bytes. It does not wait for
// a writer when the path is a named pipe.
func ReadRegular(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir():
		return nil, errors.New("it is a folder, not a file")
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("it is not a regular file (%s)", info.Mode().Type())
	case info.Size() > limit:
		return nil, errTooLarge
	}
	src, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(src)) > limit {
		err = errTooLarge
	}
	return src, err
}

// Inside says whether path is root or below it; both absolute and clean.
func Inside(root, path string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func problem(name, summary, detail string) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail,
		Subject: &hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}}}
}

// plain is the reason without the path, which stands beside it.
func plain(err error) string {
	var pe *fs.PathError
	text := err.Error()
	if errors.As(err, &pe) {
		text = pe.Err.Error()
	}
	if text == "" || !utf8.ValidString(text) {
		return "The operating system gives no reason."
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// Snippet is the text of a range.
func (t *Tree) Snippet(r hcl.Range) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	src := t.sources[r.Filename]
	if r.Start.Byte < 0 || r.End.Byte > len(src) || r.Start.Byte > r.End.Byte {
		return ""
	}
	return string(src[r.Start.Byte:r.End.Byte])
}
