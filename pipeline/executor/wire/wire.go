package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/stages"
)

// Version is that of the form in which actions are written.
const Version = 1

// MaxSize bounds what a reader takes, in bytes.
const MaxSize = 64 << 20

type document struct {
	Version     int                          `json:"version"`
	Key         cache.Key                    `json:"key"`
	Block       string                       `json:"block"`
	Type        string                       `json:"type"`
	KindVersion int                          `json:"kind_version"`
	Address     string                       `json:"address"`
	Attributes  map[string]value             `json:"attributes"`
	Nodes       map[string][]stages.NodeInfo `json:"nodes,omitempty"`
	Probes      map[string]string            `json:"probes,omitempty"`
	Outputs     map[string]json.RawMessage   `json:"outputs"`
	Resources   stages.Resources             `json:"resources"`
	Why         []string                     `json:"why,omitempty"`
	Build       string                       `json:"build"`
	Anew        bool                         `json:"anew,omitempty"`
}

type value struct {
	Type  json.RawMessage `json:"type"`
	Value json.RawMessage `json:"value"`
}

// SensitiveError says that an action holds a secret, which never leaves the machine.
type SensitiveError struct{ Attribute string }

func (e *SensitiveError) Error() string {
	return fmt.Sprintf("its attribute %s is sensitive, and secrets are not sent to other machines: run this node on this one, with executor = \"local\", or give the secret to what runs there in another way", e.Attribute)
}

// ErrNoKey says that an action has no key yet: what it makes decides on it.
var ErrNoKey = errors.New("its key is not known before it has run, so it cannot run on another machine")

// Encode writes an action. Equal actions give equal bytes.
func Encode(a *executor.Action) ([]byte, error) {
	if a.Key.IsZero() {
		return nil, ErrNoKey
	}
	kind := a.Ingredients.Kind
	d := document{
		Version: Version, Key: a.Key, Block: kind.Block, Type: kind.Type, KindVersion: kind.Version, Address: a.Address,
		Attributes: map[string]value{}, Nodes: a.Ingredients.Nodes, Probes: a.Ingredients.Probes, Outputs: map[string]json.RawMessage{},
		Resources: a.Resources, Why: a.Why, Build: a.Build, Anew: a.Anew,
	}
	for i := range kind.Attributes {
		if err := d.addAttribute(&kind.Attributes[i], a.Ingredients.Attrs); err != nil {
			return nil, err
		}
	}
	for name, t := range a.Outputs {
		var err error
		if d.Outputs[name], err = rawType(t); err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
	}
	b, err := json.Marshal(d)
	if err == nil && len(b) > MaxSize {
		err = fmt.Errorf("it takes %d bytes to describe, and %d is the most: pass large data in files", len(b), MaxSize)
	}
	return b, err
}

func (d *document) addAttribute(decl *stages.Attribute, attrs stages.Attrs) error {
	v, ok := attrs[decl.Name]
	if !ok || v == cty.NilVal {
		return nil
	}
	if plain, _ := v.UnmarkDeep(); v.ContainsMarked() || decl.Sensitive && !plain.IsNull() {
		return &SensitiveError{decl.Name}
	}
	t, err := rawType(v.Type())
	if err != nil {
		return fmt.Errorf("attribute %s: %w", decl.Name, err)
	}
	raw, err := stages.EncodeJSON(v)
	if err != nil {
		return fmt.Errorf("attribute %s: %w", decl.Name, err)
	}
	d.Attributes[decl.Name] = value{t, raw}
	return nil
}

func rawType(t cty.Type) (json.RawMessage, error) {
	doc, err := encodeType(t)
	if err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

// Decode reads what Encode wrote, and refuses an action whose key is not that of
// what was read.
func Decode(b []byte, kinds *stages.Registry) (*executor.Action, error) {
	d, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("the action cannot be read: %w", err)
	}
	kind, ok := kinds.Lookup(d.Block, d.Type)
	if !ok {
		return nil, fmt.Errorf("this nbpipe knows no %s %s: use the same nbpipe on all machines", d.Block, d.Type)
	}
	if kind.Version != d.KindVersion {
		return nil, fmt.Errorf("this nbpipe has version %d of %s, the action was made for version %d: use the same nbpipe on all machines", kind.Version, kind.Name(), d.KindVersion)
	}
	a := &executor.Action{
		Address: d.Address, Key: d.Key, Outputs: make(map[string]cty.Type, len(d.Outputs)), Resources: d.Resources, Why: d.Why, Build: d.Build, Anew: d.Anew,
		Ingredients: plan.Ingredients{Kind: kind, Attrs: stages.Attrs{}, Probes: d.Probes, Nodes: d.Nodes, GPUModel: d.Resources.GPUModel},
	}
	for name, v := range d.Attributes {
		if a.Ingredients.Attrs[name], err = v.decode(kind, name); err != nil {
			return nil, fmt.Errorf("the action cannot be read: attribute %q: %w", name, err)
		}
	}
	for name, raw := range d.Outputs {
		if a.Outputs[name], err = decodeType(raw, 0); err != nil {
			return nil, fmt.Errorf("the action cannot be read: output %q: %w", name, err)
		}
	}
	return a, checkKey(a)
}

func parse(b []byte) (d document, err error) {
	if len(b) > MaxSize {
		return d, fmt.Errorf("it has %d bytes, and %d is the most", len(b), MaxSize)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return d, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return d, errors.New("something follows it")
	}
	if d.Version != Version {
		return d, fmt.Errorf("it is of version %d, this nbpipe reads %d: use the same nbpipe on all machines", d.Version, Version)
	}
	return d, nil
}

// decode reads an attribute's value. It has to be of the declared type: filling in
// a stage relies on that.
func (v value) decode(kind *stages.Kind, name string) (cty.Value, error) {
	decl, ok := kind.Attribute(name)
	if !ok {
		return cty.NilVal, fmt.Errorf("a %s has none of that name", kind.Name())
	}
	t, err := decodeType(v.Type, 0)
	if err != nil {
		return cty.NilVal, err
	}
	got, err := stages.DecodeJSON(v.Value, t)
	if err != nil {
		return cty.NilVal, err
	}
	// Values of type any keep their own type; an empty tuple is no list.
	if decl.Type == cty.DynamicPseudoType || got.Type().Equals(decl.Type) {
		return got, nil
	}
	return convert.Convert(got, decl.Type)
}

// checkKey recomputes the key.
func checkKey(a *executor.Action) error {
	for name := range a.Ingredients.Nodes {
		if decl, ok := a.Ingredients.Kind.Attribute(name); !ok || !decl.Nodes {
			return fmt.Errorf("the action cannot be read: %q tells about no nodes", name)
		}
	}
	p, err := a.Ingredients.Preimage()
	if err != nil {
		return fmt.Errorf("the action's key cannot be made: %w", err)
	}
	if key := p.Key(); key != a.Key {
		return fmt.Errorf("the action's key is %s, and what came has the key %s: it was changed on its way, or another nbpipe wrote it", a.Key.Short(), key.Short())
	}
	return nil
}
