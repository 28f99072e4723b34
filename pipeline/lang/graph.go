package lang

// sortGraph orders 0..n-1 so that what edges(i) names comes before i, otherwise
// in rising order. Each cycle found is given once, from its smallest member
// along its edges; members of cycles are in the order, too. It does not recurse:
// a chain may be as long as the graph.
func sortGraph(n int, edges func(int) []int) (order []int, cycles [][]int) {
	const (
		unseen = iota
		open
		done
	)
	type frame struct {
		v    int
		next []int
	}
	state := make([]byte, n)
	inCycle := map[int]bool{}
	order = make([]int, 0, n)
	for root := range n {
		if state[root] != unseen {
			continue
		}
		state[root] = open
		stack := []frame{{root, edges(root)}}
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			if len(f.next) == 0 {
				state[f.v] = done
				order = append(order, f.v)
				stack = stack[:len(stack)-1]
				continue
			}
			w := f.next[0]
			f.next = f.next[1:]
			switch state[w] {
			case unseen:
				state[w] = open
				stack = append(stack, frame{w, edges(w)})
			case open:
				var c []int
				for i := len(stack) - 1; ; i-- {
					c = append(c, stack[i].v)
					if stack[i].v == w {
						break
					}
				}
				if c = newCycle(c, inCycle); c != nil {
					cycles = append(cycles, c)
				}
			}
		}
	}
	return order, cycles
}

// newCycle turns a cycle, given from its last member back to its first, to start
// at its smallest member; nil if part of it was reported already.
func newCycle(back []int, seen map[int]bool) []int {
	for _, v := range back {
		if seen[v] {
			return nil
		}
	}
	n, least := len(back), 0
	for i, v := range back {
		seen[v] = true
		if v < back[least] {
			least = i
		}
	}
	out := make([]int, n)
	for i := range out {
		out[i] = back[((least-i)%n+n)%n]
	}
	return out
}
