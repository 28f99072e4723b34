package run

import (
	"encoding/json"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
)

// tell gathers what a node's `nodes` attributes refer to. ok is false while one
// of them has no result.
func (e *Engine) tell(n *Node) (told map[string][]stages.NodeInfo, ok bool, err error) {
	for i := range n.Kind.Attributes {
		a := &n.Kind.Attributes[i]
		v, given := n.ingredients.Attrs[a.Name]
		if !a.Nodes || !given || v.IsNull() {
			continue
		}
		if !v.IsWhollyKnown() {
			return nil, false, nil
		}
		infos, ok, err := e.infos(v)
		if !ok || err != nil {
			return nil, false, err
		}
		if told == nil {
			told = map[string][]stages.NodeInfo{}
		}
		told[a.Name] = infos
	}
	return told, true, nil
}

func (e *Engine) infos(addresses cty.Value) ([]stages.NodeInfo, bool, error) {
	var out []stages.NodeInfo
	for it := addresses.ElementIterator(); it.Next(); {
		_, v := it.Element()
		found, err := e.Experiment.Find(v.AsString())
		if err != nil {
			return nil, false, err
		}
		for _, f := range found {
			n := e.Nodes[f.Index]
			if n.Entry == nil {
				return nil, false, nil
			}
			info, err := e.info(n)
			if err != nil {
				return nil, false, err
			}
			out = append(out, info)
		}
	}
	return out, true, nil
}

// info describes a finished node and everything it was made from.
func (e *Engine) info(n *Node) (stages.NodeInfo, error) {
	info, err := e.describe(n)
	if err != nil {
		return info, err
	}
	info.Verdicts = n.Verdicts
	for i, in := range e.graph.Upstream(n.Index) {
		if !in || i == n.Index || e.Nodes[i].Entry == nil {
			continue
		}
		u, err := e.describe(e.Nodes[i])
		if err != nil {
			return info, err
		}
		info.Upstream = append(info.Upstream, u)
	}
	return info, nil
}

// describe tells about a node without its verdicts and without what it was made from.
func (e *Engine) describe(n *Node) (stages.NodeInfo, error) {
	attrs, err := PublicAttributes(n)
	if err != nil {
		return stages.NodeInfo{}, err
	}
	info := stages.NodeInfo{
		Address: n.Address, Kind: n.Kind.Name(), Version: n.Kind.Version, Description: n.Description,
		Key: n.Key, Attributes: attrs, Outputs: n.Entry.Outputs,
	}
	for _, i := range n.Deps {
		info.Inputs = append(info.Inputs, e.Nodes[i].Address)
	}
	return info, nil
}

// PublicAttributes are a node's known attributes that are neither null nor sensitive, as JSON.
func PublicAttributes(n *Node) (json.RawMessage, error) {
	public := map[string]cty.Value{}
	for i := range n.Kind.Attributes {
		a := &n.Kind.Attributes[i]
		v, ok := n.ingredients.Attrs[a.Name]
		if !ok || a.Sensitive || v.ContainsMarked() || !v.IsWhollyKnown() || v.IsNull() {
			continue
		}
		public[a.Name] = v
	}
	return stages.EncodeJSON(cty.ObjectVal(public))
}
