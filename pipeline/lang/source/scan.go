package source

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// The limits of one file. The parser and the evaluator of HCL call themselves
// once for each level of nesting and once for each operator of a chain, and Go
// ends a process whose stack grows over 1 GB, so depth is bounded before they
// see a file.
const (
	MaxFileSize  = 8 << 20
	MaxDepth     = 200  // brackets, strings and templates within each other
	MaxOperators = 1000 // operators of one expression

	// MaxTokens bounds the words, signs, brackets and lines of all files of an
	// experiment. The parser keeps 120 bytes for each, and the blocks and
	// expressions made of them take several times as much.
	MaxTokens = 1_000_000

	maxDigits = 10_000 // reading a number takes time with the square of its digits
)

// position is a place in a file.
type position struct{ offset, line, column int }

// scanError is why a file is refused before it is parsed.
type scanError struct {
	at      position
	summary string
	detail  string
}

// check looks for what the parser must not see, and for places between blocks
// at which a large file may be cut. It counts tokens; room is how many may be left.
func check(src []byte, room int) (cuts []int, tokens int, err *scanError) {
	if i := bytes.IndexByte(src, 0); i >= 0 {
		return nil, 0, &scanError{place(src, i), "NUL byte in the file",
			"An experiment is a text file in UTF-8. This one holds a zero byte; perhaps it is a binary file, or was saved as UTF-16. Save it as UTF-8."}
	}
	if i := invalidUTF8(src); i >= 0 {
		return nil, 0, &scanError{place(src, i), "The file is not UTF-8",
			fmt.Sprintf("Byte 0x%02x does not belong to a UTF-8 character. Save the file as UTF-8.", src[i])}
	}
	return depth(src, room)
}

func invalidUTF8(src []byte) int {
	if utf8.Valid(src) {
		return -1
	}
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func place(src []byte, offset int) position {
	head := src[:offset]
	start := bytes.LastIndexByte(head, '\n') + 1
	return position{offset, bytes.Count(head, []byte{'\n'}) + 1, utf8.RuneCount(head[start:]) + 1}
}

// level is something open: a bracket, a string, a template, a directive.
type level struct {
	what byte // one of ( [ { $ " < i f; $ is an interpolation, < a heredoc, i and f directives
	ops  int
}

// scanner follows the lexical grammar of HCL closely enough to know what is
// code and what is text. Where a file is wrong it errs towards more depth, never
// towards less: a bracket is closed only by its own kind.
type scanner struct {
	src    []byte
	i      int
	levels []level
	ops    int // sum over levels
	tokens int
	long   bool // the last token is a number of too many digits

	braces    int // as in hclsyntax: decides which brace ends a template sequence
	returns   []int
	modes     []mode
	operator  bool // the last token was an operator: a newline does not end the expression
	newline   bool // a newline since the last token
	lastStart int
	cuts      []int // offsets of lines at which a new piece may begin
}

// pieceSize is how much of a large file is parsed at once. The parser keeps all
// tokens of its input in one slice, 120 bytes each, that it grows by copying.
const pieceSize = 64 << 10

type mode struct {
	heredoc     bool
	marker      string
	startOfLine bool
}

// depth bounds nesting and chains of operators.
func depth(src []byte, room int) ([]int, int, *scanError) {
	s := &scanner{src: src, levels: []level{{what: '{'}}}
	for s.i < len(s.src) {
		s.next()
		if len(s.levels) > MaxDepth {
			return nil, 0, &scanError{place(src, s.lastStart), "Nested too deeply",
				fmt.Sprintf("More than %d brackets, strings or templates stand within each other here. Move inner parts into locals.", MaxDepth)}
		}
		if s.tokens > room {
			return nil, 0, &scanError{place(src, s.lastStart), "The experiment is too large",
				fmt.Sprintf("Its files hold more than %d words, signs, brackets and lines together. Use for_each instead of repeated blocks, or read long lists with file() and csvdecode() or jsondecode().", MaxTokens)}
		}
		if s.long {
			return nil, 0, &scanError{place(src, s.lastStart), "Number out of range",
				fmt.Sprintf("A number has at most %d digits. Write it with an exponent, such as 1.5e300; for text, put it in quotes.", maxDigits)}
		}
		if s.ops > MaxOperators {
			return nil, 0, &scanError{place(src, s.lastStart), "Expression with too many operators",
				fmt.Sprintf("One expression may have at most %d operators. Split it with locals, or use a function such as sum().", MaxOperators)}
		}
	}
	return s.cuts, s.tokens, nil
}

// next reads one token, or a part of one.
func (s *scanner) next() {
	s.lastStart = s.i
	switch n := len(s.modes); {
	case n == 0 || len(s.returns) == n:
		s.code()
	case s.modes[n-1].heredoc:
		s.heredoc()
	default:
		s.quoted()
	}
}

func (s *scanner) peek(k int) byte {
	if s.i+k < len(s.src) {
		return s.src[s.i+k]
	}
	return 0
}

func (s *scanner) push(what byte) { s.levels = append(s.levels, level{what: what}) }

func (s *scanner) pop(what byte) {
	if n := len(s.levels) - 1; n > 0 && s.levels[n].what == what {
		s.ops -= s.levels[n].ops
		s.levels = s.levels[:n]
	}
}

func (s *scanner) reset() {
	top := &s.levels[len(s.levels)-1]
	s.ops -= top.ops
	top.ops = 0
}

func (s *scanner) count() {
	s.levels[len(s.levels)-1].ops++
	s.ops++
	s.operator, s.newline = true, false
}

// operand notes a token that an expression may start with.
func (s *scanner) operand() {
	if s.newline && !s.operator && s.levels[len(s.levels)-1].what == '{' {
		s.reset()
	}
	s.operator, s.newline = false, false
}

func (s *scanner) code() {
	c := s.src[s.i]
	if c != ' ' && c != '\t' && c != '\r' {
		s.tokens++
	}
	switch c {
	case ' ', '\t', '\r':
		s.i++
	case '\n':
		s.newline = true
		s.i++
		last := 0
		if n := len(s.cuts); n > 0 {
			last = s.cuts[n-1]
		}
		if s.i-last > pieceSize && len(s.levels) == 1 && len(s.modes) == 0 && s.braces == 0 && !s.operator {
			s.cuts = append(s.cuts, s.i)
		}
	case '#':
		s.line()
	case '/':
		s.slash()
	case '"':
		s.operand()
		s.push('"')
		s.modes = append(s.modes, mode{})
		s.i++
	case '<':
		if !s.beginHeredoc() {
			s.count()
			s.i++
		}
	case '{', '(', '[':
		s.open(c)
	case ')':
		s.pop('(')
		s.operator = false
		s.i++
	case ']':
		s.pop('[')
		s.operator = false
		s.i++
	case '}', '~':
		s.closeBrace(c)
	case ',':
		s.reset()
		s.operator, s.newline = false, false
		s.i++
	case '+', '-', '*', '%', '!', '?', ':', '>', '&', '|':
		s.count()
		s.i++
	default:
		s.word(c)
	}
}

func (s *scanner) word(c byte) {
	if !isWord(c) {
		s.i++ // `=`, `.` and what HCL does not know
		return
	}
	s.operand()
	start := s.i
	for s.i < len(s.src) && (isWord(s.src[s.i]) || s.src[s.i] == '-' && !isDigit(c)) {
		s.i++
	}
	if isDigit(c) && s.i-start > maxDigits {
		s.long = true
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool {
	return c == '_' || c >= 0x80 || isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (s *scanner) line() {
	if n := bytes.IndexByte(s.src[s.i:], '\n'); n >= 0 {
		s.i += n // the newline is a token of its own here
		return
	}
	s.i = len(s.src)
}

func (s *scanner) slash() {
	switch s.peek(1) {
	case '/':
		s.line()
	case '*':
		if n := bytes.Index(s.src[s.i+2:], []byte("*/")); n >= 0 {
			s.i += n + 4
			return
		}
		s.count() // not a comment without its end
		s.i++
	default:
		s.count()
		s.i++
	}
}

func (s *scanner) open(c byte) {
	s.operand()
	if c == '{' {
		s.braces++
	} else {
		s.count() // an index chain nests like operators do: a[i][j] is (a[i])[j]
	}
	s.operator = false
	s.push(c)
	s.i++
}

func (s *scanner) closeBrace(c byte) {
	n := 1
	if c == '~' {
		if s.peek(1) != '}' {
			s.i++
			return
		}
		n = 2
	}
	s.i += n
	if k := len(s.returns) - 1; k >= 0 && s.returns[k] == s.braces {
		s.returns = s.returns[:k]
		s.pop('$')
	} else {
		s.pop('{')
	}
	s.braces--
	s.operator = false
}

func (s *scanner) beginHeredoc() bool {
	if s.peek(1) != '<' {
		return false
	}
	k := 2
	if s.peek(k) == '-' {
		k++
	}
	start := k
	if c := s.peek(k); !isWord(c) || isDigit(c) {
		return false
	}
	for isWord(s.peek(k)) || s.peek(k) == '-' {
		k++
	}
	marker := string(s.src[s.i+start : s.i+k])
	if s.peek(k) == '\r' {
		k++
	}
	if s.peek(k) != '\n' {
		return false
	}
	s.operand()
	s.push('<')
	s.modes = append(s.modes, mode{heredoc: true, marker: marker, startOfLine: true})
	s.i += k + 1
	return true
}

// sequence handles a $ or % in text; it reports whether a template began.
func (s *scanner) sequence(c byte) bool {
	switch {
	case s.peek(1) == '{':
		s.directive(c)
		s.braces++
		s.returns = append(s.returns, s.braces)
		s.push('$')
		s.i += 2
		if s.peek(0) == '~' && s.peek(1) != '}' {
			s.i++
		}
		s.operator, s.newline = false, false
		return true
	case s.peek(1) == c && s.peek(2) == '{':
		s.i += 3 // an escaped brace
	default:
		s.i++
	}
	return false
}

// directive keeps %{ if } and %{ for } open until their ends.
func (s *scanner) directive(c byte) {
	if c != '%' {
		return
	}
	rest := bytes.TrimLeft(bytes.TrimPrefix(s.src[s.i+2:min(len(s.src), s.i+64)], []byte("~")), " \t\r\n")
	switch {
	case bytes.HasPrefix(rest, []byte("if")):
		s.push('i')
	case bytes.HasPrefix(rest, []byte("for")):
		s.push('f')
	case bytes.HasPrefix(rest, []byte("endif")):
		s.pop('i')
	case bytes.HasPrefix(rest, []byte("endfor")):
		s.pop('f')
	}
}

func (s *scanner) quoted() {
	c := s.src[s.i]
	if c == '\\' || c == '\n' || c == '$' || c == '%' { // of which the parser makes tokens or problems
		s.tokens++
	}
	switch c {
	case '"':
		s.modes = s.modes[:len(s.modes)-1]
		s.pop('"')
		s.operator = false
		s.i++
	case '\\':
		s.i++
		if n := s.peek(0); n != '\n' && n != '\r' && n != 0 {
			_, w := utf8.DecodeRune(s.src[s.i:])
			s.i += w
		}
	case '$', '%':
		s.sequence(c)
	default:
		s.i++
	}
}

func (s *scanner) heredoc() {
	s.tokens++ // at most a line
	m := &s.modes[len(s.modes)-1]
	if c := s.src[s.i]; c == '$' || c == '%' {
		m.startOfLine = false
		s.sequence(c)
		return
	}
	end := bytes.IndexAny(s.src[s.i:], "$%\n")
	if end < 0 {
		s.i = len(s.src)
		return
	}
	text := s.src[s.i : s.i+end]
	s.i += end
	if s.src[s.i] != '\n' {
		m.startOfLine = false
		return
	}
	if m.startOfLine && string(bytes.TrimSpace(text)) == m.marker {
		s.modes = s.modes[:len(s.modes)-1]
		s.pop('<')
		return // the newline is code
	}
	m.startOfLine = true
	s.i++
}
