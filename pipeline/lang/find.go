package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
)

// Find gives the nodes that a user names: an address; kind.name for all nodes of
// a block with for_each; a block's keyword for all its nodes; import.NAME for all
// nodes of an import. A key may stand without its quotes, which shells remove.
func (x *Experiment) Find(address string) ([]*Node, error) {
	if n := x.index[address]; n != nil {
		return []*Node{n}, nil
	}
	if open := strings.IndexByte(address, '['); open > 0 && strings.HasSuffix(address, "]") {
		key := strings.Trim(address[open+1:len(address)-1], `"'`)
		if n := x.index[address[:open]+quoteKey(key)]; n != nil {
			return []*Node{n}, nil
		}
		return nil, x.noKey(address[:open], key)
	}
	var out []*Node
	for _, n := range x.Nodes {
		a := n.inst.tmpl.address()
		if a == address || strings.HasPrefix(a, address+".") {
			out = append(out, n)
		}
	}
	if len(out) == 0 {
		return nil, x.noBlock(address)
	}
	return out, nil
}

func (x *Experiment) noKey(block, key string) error {
	for _, t := range x.templates {
		if t.address() == block {
			if t.forEachAttr == nil {
				return fmt.Errorf("%s is a single node: leave [%s] out", block, key)
			}
			return fmt.Errorf("%s has no node with the key %q.%s", block, key, diagnostic.Hint(key, slices.Collect(maps.Keys(t.byKey)), "keys"))
		}
	}
	return x.noBlock(block)
}

func (x *Experiment) noBlock(address string) error {
	var known []string
	for _, t := range x.templates {
		known = append(known, t.address())
	}
	return fmt.Errorf("there is no node %q in %s.%s", address, x.Path, diagnostic.Hint(address, known, "nodes"))
}
