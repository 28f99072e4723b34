package launch

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
)

// Kind is a type of executor block.
type Kind struct {
	Type       string // first label, such as "slurm"
	Doc        string
	Attributes []stages.Attribute // sorted by name
	// Agreement is what a user agrees to who lets a block of this kind work: that lines
	// of its run outside of the sandbox, and where secrets go. It is "" where a block
	// can name no program, no line of shell and no other machine.
	Agreement string

	new func() Settings
}

// Settings are a filled block: a struct whose fields have the tags of a stage's
// attributes.
type Settings interface {
	// Check says what is wrong with the values.
	Check() []stages.Problem
	// Launcher makes what starts workers. It starts nothing and asks nobody yet.
	Launcher(site Site) (Launcher, error)
}

// Define makes a kind of a settings' struct type. k gives Type and Doc.
func Define[T any, P interface {
	*T
	Settings
}](k Kind) *Kind {
	k.Attributes = stages.AttributesOf("executor "+k.Type, reflect.TypeFor[T]())
	k.new = func() Settings { return P(new(T)) }
	return &k
}

// Fill returns settings with the given attributes. Those of other types than are
// declared are an error, and others than are declared are left alone.
func (k *Kind) Fill(attrs stages.Attrs) (Settings, error) {
	for i := range k.Attributes {
		a := &k.Attributes[i]
		v := attrs[a.Name]
		if v != cty.NilVal && !v.IsNull() && !v.Type().Equals(a.Type) {
			return nil, fmt.Errorf("%s: a value of type %s is required, this one is of type %s", a.Name, a.Type.FriendlyName(), v.Type().FriendlyName())
		}
	}
	s := k.new()
	return s, stages.FillStruct(s, k.Attributes, attrs)
}

// Kinds are the types of executor blocks that a build knows.
type Kinds []*Kind

// Lookup finds a kind.
func (ks Kinds) Lookup(typ string) (*Kind, bool) {
	i := slices.IndexFunc(ks, func(k *Kind) bool { return k.Type == typ })
	if i < 0 {
		return nil, false
	}
	return ks[i], true
}

// Types lists the names of the kinds, sorted.
func (ks Kinds) Types() []string {
	var out []string
	for _, k := range ks {
		out = append(out, k.Type)
	}
	slices.Sort(out)
	return out
}
