package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
)

// schema is the version of the composition of keys, as opposed to that of their
// encoding. Raising it makes every result of older builds a miss.
const schema = "1"

// Ingredients are what a node's key is made of.
type Ingredients struct {
	Kind   *stages.Kind
	Attrs  stages.Attrs
	Probes map[string]string            // outputs of tool probes and of stages.Versioned
	Nodes  map[string][]stages.NodeInfo // attribute to what it tells about nodes

	// GPUModel is the model that the file asks for, "" for none: results of another
	// model may differ, and whoever asks for one means it.
	GPUModel string
}

// Known reports whether a key can be made: every key attribute is known.
func (in Ingredients) Known() bool {
	for i := range in.Kind.Attributes {
		a := &in.Kind.Attributes[i]
		if !a.Key {
			continue
		}
		if v, ok := in.Attrs[a.Name]; ok && !v.IsWhollyKnown() {
			return false
		}
	}
	return true
}

// Preimage writes the trace of fields whose hash is the key. Attributes that
// are null or at their default are left out, so that omitted, null and default
// are one, and so that a kind can gain an attribute without losing its results.
func (in Ingredients) Preimage() (*cache.Preimage, error) {
	p := cache.NewPreimage()
	p.Add("schema", cache.FieldString, schema)
	p.Add("kind", cache.FieldString, in.Kind.Name())
	p.Add("version", cache.FieldNumber, strconv.Itoa(in.Kind.Version))
	for i := range in.Kind.Attributes {
		if err := in.addAttribute(p, &in.Kind.Attributes[i]); err != nil {
			return nil, err
		}
	}
	for _, name := range sortedKeys(in.Probes) {
		p.Add("tool["+strconv.Quote(name)+"]", cache.FieldString, in.Probes[name])
	}
	if in.GPUModel != "" {
		p.Add("gpu_model", cache.FieldString, in.GPUModel)
	}
	return p, in.addNodes(p)
}

func (in Ingredients) addAttribute(p *cache.Preimage, a *stages.Attribute) error {
	v, ok := in.Attrs[a.Name]
	if !a.Key || a.Nodes || !ok || isDefault(v, a) {
		return nil
	}
	if err := stages.AddToKey(p, "attribute."+a.Name, v); err != nil {
		return fmt.Errorf("attribute %w", err)
	}
	return nil
}

func isDefault(v cty.Value, a *stages.Attribute) bool {
	if v == cty.NilVal {
		return true
	}
	if v.IsMarked() || !v.IsWhollyKnown() {
		return false
	}
	return v.IsNull() || (a.Default != cty.NilVal && !a.Default.IsNull() && v.RawEquals(a.Default))
}

// addNodes adds what a report is told, one field a node and part, so that "why"
// can name the verdict or output that changed.
func (in Ingredients) addNodes(p *cache.Preimage) error {
	for _, name := range sortedKeys(in.Nodes) {
		for _, n := range in.Nodes[name] {
			path := name + "[" + strconv.Quote(n.Address) + "]"
			upstream := n.Upstream
			n.Upstream = nil
			if err := addNode(p, path, n); err != nil {
				return err
			}
			for _, u := range upstream {
				if err := addNode(p, path+".upstream["+strconv.Quote(u.Address)+"]", u); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func addNode(p *cache.Preimage, path string, n stages.NodeInfo) error {
	p.Add(path+".key", cache.FieldString, n.Key.String())
	p.Add(path+".outputs", cache.FieldString, cache.DigestOf(n.Outputs).String())
	for _, v := range n.Verdicts {
		doc, err := json.Marshal(v)
		if err != nil {
			return err
		}
		p.Add(path+".expect["+strconv.Quote(v.Name)+"]", cache.FieldString, string(doc))
	}
	n.Outputs, n.Verdicts, n.Key = nil, nil, cache.Key{}
	doc, err := json.Marshal(n)
	p.Add(path+".description", cache.FieldString, string(doc))
	return err
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Explain names the fields in which two traces differ, a line each, old and new
// value, at most limit lines.
func Explain(before, after []byte, limit int) ([]string, error) {
	old, err := cache.DecodePreimage(before)
	if err != nil {
		return nil, err
	}
	now, err := cache.DecodePreimage(after)
	if err != nil {
		return nil, err
	}
	changes := cache.Diff(old, now)
	var out []string
	for i, c := range changes {
		if i == limit {
			out = append(out, fmt.Sprintf("and %d more fields", len(changes)-limit))
			break
		}
		out = append(out, describe(c))
	}
	return out, nil
}

func describe(c cache.Change) string {
	name := c.Path()
	switch {
	case name == "version":
		name = "the implementation's version"
	case name == "kind":
		name = "the kind"
	case strings.HasSuffix(name, ".form"):
		name = strings.TrimSuffix(strings.TrimPrefix(name, "attribute."), ".form") + " (file, executable or folder)"
	default:
		name = strings.TrimPrefix(name, "attribute.")
	}
	return fmt.Sprintf("%s: %s -> %s", name, display(c.Old), display(c.New))
}

func display(f *cache.Field) string {
	if f == nil {
		return "(not set)"
	}
	const most = 200
	s := f.Display()
	if len(s) > most {
		s = s[:most/2] + " ... " + s[len(s)-most/2:]
	}
	return s
}

// Pin returns the ingredients with attributes pinned by a run, see stages.Locked.
func (in Ingredients) Pin(pins map[string]string) Ingredients {
	if len(pins) == 0 {
		return in
	}
	attrs := make(stages.Attrs, len(in.Attrs))
	for k, v := range in.Attrs {
		attrs[k] = v
	}
	for k, v := range pins {
		attrs[k] = cty.StringVal(v)
	}
	in.Attrs = attrs
	return in
}
