package graph

import "slices"

// Graph is a directed graph over nodes 0..n-1; edges lead from a node to what
// it depends on.
type Graph struct {
	deps       [][]int
	dependents [][]int
}

// New makes a graph of each node's dependencies. Duplicates count once.
func New(deps [][]int) *Graph {
	g := &Graph{deps: make([][]int, len(deps)), dependents: make([][]int, len(deps))}
	for i, d := range deps {
		d = slices.Clone(d)
		slices.Sort(d)
		g.deps[i] = slices.Compact(d)
	}
	for i, d := range g.deps {
		for _, j := range d {
			g.dependents[j] = append(g.dependents[j], i)
		}
	}
	return g
}

// Len is the number of nodes.
func (g *Graph) Len() int { return len(g.deps) }

// Deps lists what node i depends on, sorted.
func (g *Graph) Deps(i int) []int { return g.deps[i] }

// Dependents lists the nodes that depend on i, sorted.
func (g *Graph) Dependents(i int) []int { return g.dependents[i] }

// Upstream marks the given nodes and everything they depend on.
func (g *Graph) Upstream(nodes ...int) []bool { return closure(g.deps, nodes) }

// Downstream marks the given nodes and everything that depends on them.
func (g *Graph) Downstream(nodes ...int) []bool { return closure(g.dependents, nodes) }

func closure(next [][]int, from []int) []bool {
	seen := make([]bool, len(next))
	stack := slices.Clone(from)
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[i] {
			continue
		}
		seen[i] = true
		stack = append(stack, next[i]...)
	}
	return seen
}

// Order returns the nodes with dependencies first, in index order where that is
// free, or a cycle: the nodes of one, each depending on the next.
func (g *Graph) Order() (order, cycle []int) {
	q := NewQueue(g, nil)
	for {
		i, ok := q.Next()
		if !ok {
			break
		}
		order = append(order, i)
		q.Done(i)
	}
	if len(order) < g.Len() {
		return nil, g.cycle(order)
	}
	return order, nil
}

// cycle finds a cycle among the nodes that are not in order: each of them
// depends on another of them.
func (g *Graph) cycle(order []int) []int {
	ordered := make([]bool, g.Len())
	for _, i := range order {
		ordered[i] = true
	}
	at := slices.Index(ordered, false)
	step := map[int]int{}
	var path []int
	for {
		if from, seen := step[at]; seen {
			return path[from:]
		}
		step[at] = len(path)
		path = append(path, at)
		at = g.deps[at][slices.IndexFunc(g.deps[at], func(j int) bool { return !ordered[j] })]
	}
}

// Levels gives each node's depth: 0 without dependencies, else one more than
// the deepest dependency. The graph must be acyclic.
func (g *Graph) Levels() []int {
	order, _ := g.Order()
	level := make([]int, g.Len())
	for _, i := range order {
		for _, j := range g.deps[i] {
			level[i] = max(level[i], level[j]+1)
		}
	}
	return level
}
