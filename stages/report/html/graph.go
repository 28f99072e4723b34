package html

import (
	"fmt"
	"html"
	"html/template"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/stages"
)

// Sizes of the drawing, in its own units.
const (
	maxDrawn   = 48 // nodes; beyond that instances of for_each are drawn as one
	boxWidth   = 176
	boxHeight  = 38
	columnStep = 232
	rowStep    = 52
)

// vertex is a box of the drawing: a node, or all instances of a block.
type vertex struct {
	name, kind string
	instances  int
	tested     bool  // one of the page's hypotheses
	in         []int // vertices it reads
	layer, row int
}

// drawGraph draws the nodes from left to right, by files that pass between
// them. The note says what the picture leaves out.
func drawGraph(nodes []stages.NodeInfo, hypotheses []stages.NodeInfo) (picture template.HTML, note string) {
	vs := vertices(nodes, hypotheses, false)
	if len(vs) > maxDrawn {
		vs = vertices(nodes, hypotheses, true)
		note = "Instances of one block are drawn as one box."
	}
	if len(vs) > maxDrawn {
		return "", fmt.Sprintf("The graph has %d blocks and is not drawn; nbpipe graph --svg draws it.", len(vs))
	}
	if len(vs) < 2 {
		return "", ""
	}
	place(vs)
	return render(vs), note
}

// vertices makes boxes, and an edge where a node depends on another one directly.
func vertices(nodes, hypotheses []stages.NodeInfo, merge bool) []*vertex {
	var vs []*vertex
	index := map[string]int{} // by drawn name
	of := make([]int, len(nodes))
	for i, n := range nodes {
		name := n.Address
		if merge {
			name, _, _ = strings.Cut(name, "[")
		}
		at, ok := index[name]
		if !ok {
			at = len(vs)
			index[name] = at
			vs = append(vs, &vertex{name: clean(name), kind: clean(n.Kind)})
		}
		vs[at].instances++
		of[i] = at
		vs[at].tested = vs[at].tested || slices.ContainsFunc(hypotheses, func(h stages.NodeInfo) bool { return h.Address == n.Address })
	}
	position := map[string]int{}
	for i, n := range nodes {
		position[n.Address] = i
	}
	for i, n := range nodes {
		for _, address := range n.Inputs {
			if p, ok := position[address]; ok {
				connect(vs, of[p], of[i])
			}
		}
	}
	return vs
}

func connect(vs []*vertex, from, to int) {
	if from < to && !slices.Contains(vs[to].in, from) {
		vs[to].in = append(vs[to].in, from)
	}
}

// place gives every vertex a layer, its longest path from a source, and a row:
// within a layer by the mean row of what it reads.
func place(vs []*vertex) {
	layers := [][]int{}
	for i, v := range vs {
		for _, p := range v.in {
			v.layer = max(v.layer, vs[p].layer+1)
		}
		for len(layers) <= v.layer {
			layers = append(layers, nil)
		}
		layers[v.layer] = append(layers[v.layer], i)
	}
	for _, l := range layers {
		slices.SortStableFunc(l, func(a, b int) int {
			x, y := center(vs, a), center(vs, b)
			switch {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return a - b
		})
		for row, i := range l {
			vs[i].row = row
		}
	}
}

func center(vs []*vertex, i int) float64 {
	if len(vs[i].in) == 0 {
		return 0
	}
	sum := 0.0
	for _, p := range vs[i].in {
		sum += float64(vs[p].row)
	}
	return sum / float64(len(vs[i].in))
}

func render(vs []*vertex) template.HTML {
	layers, rows := 0, map[int]int{}
	for _, v := range vs {
		layers = max(layers, v.layer+1)
		rows[v.layer] = max(rows[v.layer], v.row+1)
	}
	tallest := 0
	for _, r := range rows {
		tallest = max(tallest, r)
	}
	at := func(v *vertex) (x, y int) { // layers are centred
		return v.layer*columnStep + 4, v.row*rowStep + (tallest-rows[v.layer])*rowStep/2 + 4
	}
	width, height := (layers-1)*columnStep+boxWidth+8, (tallest-1)*rowStep+boxHeight+8
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="graph" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="Graph of the nodes that the hypotheses were made from">`, width, height, width, height)
	for _, v := range vs {
		x, y := at(v)
		for _, p := range v.in {
			px, py := at(vs[p])
			x0, y0, y1 := px+boxWidth, py+boxHeight/2, y+boxHeight/2
			mid := (columnStep - boxWidth) / 2
			fmt.Fprintf(&b, `<path class="edge" d="M%d %dC%d %d %d %d %d %d"/>`, x0, y0, x0+mid, y0, x-mid, y1, x, y1)
		}
	}
	for _, v := range vs {
		x, y := at(v)
		box(&b, v, x, y)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // numbers, constants and escaped names
}

func box(b *strings.Builder, v *vertex, x, y int) {
	_, name, _ := strings.Cut(v.name, ".") // the kind stands below it
	if v.instances > 1 {
		name += fmt.Sprintf(" ×%d", v.instances)
	}
	class := "box"
	if v.tested {
		class += " box-tested"
	}
	fmt.Fprintf(b, `<g><title>%s (%s)</title><rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="4"/>`,
		html.EscapeString(v.name), html.EscapeString(v.kind), class, x, y, boxWidth, boxHeight)
	fmt.Fprintf(b, `<text class="name" x="%d" y="%d">%s</text><text class="kind" x="%d" y="%d">%s</text></g>`,
		x+10, y+16, html.EscapeString(clip(name, 24)), x+10, y+30, html.EscapeString(clip(v.kind, 28)))
}
