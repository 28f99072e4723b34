package graph

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// Drawing collects what is to be drawn. Nodes of one group (the instances of a
// block) are one box.
type Drawing struct {
	title  string
	boxes  []*box
	byName map[string]*box
	byNode map[int]*box
}

type box struct {
	name, kind string
	nodes      int
	status     map[string]int
	deps       map[*box]bool
	level, row int
	seq        int
}

// NewDrawing starts an empty drawing.
func NewDrawing(title string) *Drawing {
	return &Drawing{title: title, byName: map[string]*box{}, byNode: map[int]*box{}}
}

// Node adds a node to the box of its group.
func (d *Drawing) Node(id int, group, kind, status string) {
	b := d.byName[group]
	if b == nil {
		b = &box{name: group, kind: kind, status: map[string]int{}, deps: map[*box]bool{}, seq: len(d.boxes)}
		d.byName[group] = b
		d.boxes = append(d.boxes, b)
	}
	b.nodes++
	b.status[status]++
	d.byNode[id] = b
}

// Edge says that node to depends on node from. Nodes not in the drawing, and
// edges within a box, are left out.
func (d *Drawing) Edge(from, to int) {
	f, t := d.byNode[from], d.byNode[to]
	if f != nil && t != nil && f != t {
		t.deps[f] = true
	}
}

func (b *box) sortedDeps() []*box {
	out := make([]*box, 0, len(b.deps))
	for dep := range b.deps {
		out = append(out, dep)
	}
	slices.SortFunc(out, func(x, y *box) int { return x.seq - y.seq })
	return out
}

func (b *box) label() string {
	if b.nodes == 1 {
		return b.name
	}
	return fmt.Sprintf("%s (%d)", b.name, b.nodes)
}

// DOT gives the drawing in the language of Graphviz.
func (d *Drawing) DOT() string {
	var s strings.Builder
	s.WriteString("digraph nbpipe {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n")
	for _, b := range d.boxes {
		fmt.Fprintf(&s, "  %q [label=%q];\n", b.name, b.label()+"\n"+b.kind)
	}
	for _, b := range d.boxes {
		for _, dep := range b.sortedDeps() {
			fmt.Fprintf(&s, "  %q -> %q;\n", dep.name, b.name)
		}
	}
	s.WriteString("}\n")
	return s.String()
}

// Sizes of the picture, in pixels.
const (
	boxHeight  = 44
	columnGap  = 70
	rowGap     = 18
	margin     = 20
	charWidth  = 7.4
	minBoxWide = 120
)

// SVG draws the boxes in columns, what depends on nothing to the left.
func (d *Drawing) SVG() string {
	columns := d.layout()
	x, tallest := float64(margin), 0
	left, width := make([]float64, len(columns)), make([]float64, len(columns))
	for i, column := range columns {
		left[i], width[i] = x, columnWidth(column)
		x += width[i] + columnGap
		tallest = max(tallest, len(column))
	}
	height := 2*margin + tallest*(boxHeight+rowGap)
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" height="%d" font-family="sans-serif" font-size="13" role="img">`+"\n",
		x-columnGap+margin, height, x-columnGap+margin, height)
	fmt.Fprintf(&s, "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n", html.EscapeString(d.title))
	at := func(b *box) (l, r, middle float64) {
		offset := float64(tallest-len(columns[b.level])) * (boxHeight + rowGap) / 2
		middle = margin + offset + float64(b.row)*(boxHeight+rowGap) + boxHeight/2
		return left[b.level], left[b.level] + width[b.level], middle
	}
	for _, b := range d.boxes {
		for _, dep := range b.sortedDeps() {
			_, x1, y1 := at(dep)
			x2, _, y2 := at(b)
			bend := (x2 - x1) / 2
			fmt.Fprintf(&s, `<path d="M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f" fill="none" stroke="#94a3b8" stroke-width="1.4"/>`+"\n",
				x1, y1, x1+bend, y1, x2-bend, y2, x2, y2)
		}
	}
	for _, b := range d.boxes {
		l, r, middle := at(b)
		b.draw(&s, l, r-l, middle)
	}
	s.WriteString("</svg>\n")
	return s.String()
}

func (b *box) draw(s *strings.Builder, x, width, middle float64) {
	fill, stroke := b.colours()
	fmt.Fprintf(s, `<g><title>%s</title><rect x="%.1f" y="%.1f" width="%.1f" height="%d" rx="6" fill="%s" stroke="%s"/>`,
		html.EscapeString(b.statusText()), x, middle-boxHeight/2, width, boxHeight, fill, stroke)
	fmt.Fprintf(s, `<text x="%.1f" y="%.1f" fill="#0f172a">%s</text><text x="%.1f" y="%.1f" font-size="11" fill="#475569">%s</text></g>`+"\n",
		x+10, middle-3, html.EscapeString(b.label()), x+10, middle+13, html.EscapeString(b.kind+", "+b.statusText()))
}

func (b *box) statusText() string {
	var parts []string
	for _, st := range slices.Sorted(func(yield func(string) bool) {
		for k := range b.status {
			if !yield(k) {
				return
			}
		}
	}) {
		if b.nodes == 1 {
			return st
		}
		parts = append(parts, fmt.Sprintf("%d %s", b.status[st], st))
	}
	return strings.Join(parts, ", ")
}

func (b *box) colours() (fill, stroke string) {
	if b.status["cached"] == b.nodes {
		return "#ecfdf5", "#059669"
	}
	return "#fffbeb", "#d97706"
}

func columnWidth(column []*box) float64 {
	w := float64(minBoxWide)
	for _, b := range column {
		w = max(w, 20+charWidth*float64(len([]rune(b.label()))), 20+0.85*charWidth*float64(len([]rune(b.kind+", "+b.statusText()))))
	}
	return w
}

// layout puts boxes into columns by depth, and orders each column by the mean
// row of what its boxes depend on, so that few lines cross.
func (d *Drawing) layout() [][]*box {
	deps := make([][]int, len(d.boxes))
	for i, b := range d.boxes {
		for _, dep := range b.sortedDeps() {
			deps[i] = append(deps[i], dep.seq)
		}
	}
	var columns [][]*box
	for i, level := range New(deps).Levels() {
		for len(columns) <= level {
			columns = append(columns, nil)
		}
		d.boxes[i].level = level
		columns[level] = append(columns[level], d.boxes[i])
	}
	for _, column := range columns {
		slices.SortStableFunc(column, func(x, y *box) int {
			switch mx, my := x.meanRow(), y.meanRow(); {
			case mx < my:
				return -1
			case mx > my:
				return 1
			}
			return 0
		})
		for row, b := range column {
			b.row = row
		}
	}
	return columns
}

func (b *box) meanRow() float64 {
	if len(b.deps) == 0 {
		return float64(b.seq)
	}
	sum := 0
	for dep := range b.deps {
		sum += dep.row
	}
	return float64(sum) / float64(len(b.deps))
}
