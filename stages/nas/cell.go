package nas

import (
	"fmt"
	"strings"

	"github.com/nbpipe/nbpipe/stages/nas/internal/suggest"
)

// Op is an operation on an edge of a cell.
type Op uint8

// The operations in the benchmark's order. Convolutions are ReLU, convolution,
// batch normalisation; the pool does not count padding.
const (
	None Op = iota
	SkipConnect
	NorConv1x1
	NorConv3x3
	AvgPool3x3

	// NumOps is the number of operations.
	NumOps = 5
)

var opNames = [NumOps]string{"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"}

// Ops returns the operations in the benchmark's order.
func Ops() [NumOps]Op { return [NumOps]Op{None, SkipConnect, NorConv1x1, NorConv3x3, AvgPool3x3} }

// String returns the benchmark's name of the operation.
func (o Op) String() string {
	if int(o) < NumOps {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// ParseOp returns the operation of that name. The error lists the known
// operations.
func ParseOp(name string) (Op, error) {
	for i, n := range opNames {
		if n == name {
			return Op(i), nil
		}
	}
	return 0, fmt.Errorf("unknown operation %q%s; the operations are %s",
		clip(name), suggest.DidYouMean(name, opNames[:]), strings.Join(opNames[:], ", "))
}

// Edge is a connection of two nodes of a cell. Node 0 is the input, node 3 the
// output.
type Edge struct{ From, To int }

// String returns the edge as "from-to".
func (e Edge) String() string { return fmt.Sprintf("%d-%d", e.From, e.To) }

const (
	// NumNodes is the number of nodes of a cell, input and output included.
	NumNodes = 4
	// NumEdges is the number of edges of a cell.
	NumEdges = 6
)

var edges = [NumEdges]Edge{{0, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 3}}

// Edges returns the edges in the order in which a Cell holds its operations.
func Edges() [NumEdges]Edge { return edges }

// ParseEdge returns the position of the edge named "from-to" in a Cell.
func ParseEdge(name string) (int, error) {
	names := make([]string, NumEdges)
	for i, e := range edges {
		if names[i] = e.String(); names[i] == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("unknown edge %q; the edges are %s", clip(name), strings.Join(names, ", "))
}

// Cell is one architecture of the space: the operation on each of the edges
// 0-1, 0-2, 1-2, 0-3, 1-3, 2-3. A node is the sum of its incoming edges. Cells
// compare with ==.
type Cell [NumEdges]Op

// String returns the benchmark's notation,
// |op~0|+|op~0|op~1|+|op~0|op~1|op~2|.
func (c Cell) String() string {
	var b strings.Builder
	b.Grow(100)
	for i, e := range edges {
		if e.From == 0 {
			if i > 0 {
				b.WriteString("|+")
			}
		}
		b.WriteByte('|')
		b.WriteString(c[i].String())
		b.WriteByte('~')
		b.WriteByte('0' + byte(e.From))
	}
	b.WriteByte('|')
	return b.String()
}

// Validate reports the first edge whose operation is none of the five.
func (c Cell) Validate() error {
	for i, op := range c {
		if int(op) >= NumOps {
			return fmt.Errorf("edge %s holds %v; the operations are %s", edges[i], op, strings.Join(opNames[:], ", "))
		}
	}
	return nil
}

// Parse reads the benchmark's notation. It accepts exactly what String writes.
// An error names the position (counted in bytes from 1) and the edge.
func Parse(s string) (Cell, error) {
	var c Cell
	pos := 0
	for i, e := range edges {
		opening := "|"
		if e.From == 0 && i > 0 {
			opening = "|+|"
		}
		if !strings.HasPrefix(s[pos:], opening) {
			return Cell{}, parseError(s, pos, fmt.Errorf("expected %q before the operation of edge %s", opening, e))
		}
		pos += len(opening)
		end := strings.IndexAny(s[pos:], "~|+")
		if end < 0 || s[pos+end] != '~' {
			return Cell{}, parseError(s, pos, fmt.Errorf("expected an operation and ~%d for edge %s", e.From, e))
		}
		op, err := ParseOp(s[pos : pos+end])
		if err != nil {
			return Cell{}, parseError(s, pos, fmt.Errorf("edge %s: %w", e, err))
		}
		c[i] = op
		pos += end + 1
		if pos >= len(s) || s[pos] != '0'+byte(e.From) {
			return Cell{}, parseError(s, pos, fmt.Errorf("edge %s must come from node %d", e, e.From))
		}
		pos++
	}
	if s[pos:] != "|" {
		return Cell{}, parseError(s, pos, fmt.Errorf("expected a final | and nothing after it"))
	}
	return c, nil
}

func parseError(s string, pos int, err error) error {
	return fmt.Errorf("cell %q: position %d: %w", clip(s), pos+1, err)
}

// clip keeps error messages short when a value is not what it should be.
func clip(s string) string {
	const limit = 120
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "..."
}
