package nas

import (
	"slices"
	"strings"
	"sync"
)

// UniqueString returns the benchmark's canonical form of a cell: cells with
// equal strings compute the same function. Per node the terms of its incoming
// edges are sorted and joined by +; a term is # where the operation is none or
// the source node's string is #, the source's string for skip_connect, else
// (source)@operation (NAS-Bench-201, to_unique_str with zeros considered).
//
// Terms # stay in a sum, so that some equal cells get different strings:
// there are 6,466 of them. StrictString removes that over-count.
func (c Cell) UniqueString() string { return c.canonical(false) }

// StrictString is UniqueString with the zero terms left out of sums; a node
// without other terms is #. It takes 5,390 values: 5,389, and # for the cells
// whose output is always zero.
func (c Cell) StrictString() string { return c.canonical(true) }

func (c Cell) canonical(dropZeros bool) string {
	nodes := [NumNodes]string{"0"}
	edge := 0
	for to := 1; to < NumNodes; to++ {
		terms := make([]string, 0, NumNodes)
		for from := range to {
			if t := term(nodes[from], c[edge]); t != "#" || !dropZeros {
				terms = append(terms, t)
			}
			edge++
		}
		slices.Sort(terms)
		if nodes[to] = strings.Join(terms, "+"); len(terms) == 0 {
			nodes[to] = "#"
		}
	}
	return nodes[NumNodes-1]
}

func term(source string, op Op) string {
	switch {
	case op == None || source == "#":
		return "#"
	case op == SkipConnect:
		return source
	default:
		return "(" + source + ")@" + op.String()
	}
}

// Connected reports whether a path without none leads from the input to the
// output. 341 cells have no such path: their output does not depend on the
// input.
func (c Cell) Connected() bool {
	reached := [NumNodes]bool{true}
	for i, e := range edges {
		if reached[e.From] && c[i] != None {
			reached[e.To] = true
		}
	}
	return reached[NumNodes-1]
}

// Dead returns the numbers of the 341 cells that are not Connected, ascending.
func Dead() []int {
	var dead []int
	for i, c := range official().cells {
		if !c.Connected() {
			dead = append(dead, i)
		}
	}
	return dead
}

// Classes partitions the space by UniqueString. classOf gives each cell's
// class, by the cell's number; representatives gives each class's smallest
// number. Classes are numbered by ascending representative; there are 6,466.
func Classes() (classOf [Size]int, representatives []int) {
	p := isomorphic()
	return p.classOf, slices.Clone(p.representatives)
}

// StrictClasses partitions the space by StrictString, as Classes does by
// UniqueString: 5,390 classes, one of which holds the cells that are not
// Connected.
func StrictClasses() (classOf [Size]int, representatives []int) {
	p := strict()
	return p.classOf, slices.Clone(p.representatives)
}

type partition struct {
	classOf         [Size]int
	representatives []int
}

var (
	isomorphic = sync.OnceValue(func() *partition { return partitionBy(Cell.UniqueString) })
	strict     = sync.OnceValue(func() *partition { return partitionBy(Cell.StrictString) })
)

func partitionBy(key func(Cell) string) *partition {
	p := new(partition)
	classes := make(map[string]int, Size/2)
	for i, c := range official().cells {
		k := key(c)
		class, ok := classes[k]
		if !ok {
			class = len(p.representatives)
			classes[k] = class
			p.representatives = append(p.representatives, i)
		}
		p.classOf[i] = class
	}
	return p
}
