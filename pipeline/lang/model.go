package lang

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/nbpipe/nbpipe/stages"
)

// module is one folder of blocks with a scope of its own: the experiment, or an import.
type module struct {
	prefix string // of addresses: "import.a."
	dir    string // absolute
	parent *module
	depth  int

	// incomplete: a file could not be understood, so that a name that seems
	// missing may stand in it. Then missing names are not reported.
	incomplete bool
	// misnamed are the labels of blocks that were refused, and the words of parts
	// with syntax errors, with the same effect for these names only.
	misnamed map[string]bool

	functions map[string]function.Function
	bare      *hcl.EvalContext // functions only
	variables map[string]*named
	locals    map[string]*named
	outputs   map[string]*named
	imports   map[string]*importBlock
	templates map[string]map[string]*template // by block keyword and name
	order     []*template                     // as in the files
	settings  *hcl.Range
}

// mayDefine reports whether what could not be understood may define a name.
func (m *module) mayDefine(name string) bool { return m.incomplete || m.misnamed[name] }

func (m *module) misname(name string) {
	if m.misnamed == nil {
		m.misnamed = map[string]bool{}
	}
	m.misnamed[name] = true
}

// importBlock is an `import` block.
type importBlock struct {
	name   string
	block  *hclsyntax.Block
	header hcl.Range
	child  *module // nil where it could not be loaded
}

// named is a value with a name: a variable, a local, an output, or the for_each
// of a block whose values depend on nodes.
type named struct {
	owner
	id   int
	kind string // "variable", "local", "output", "for_each"
	name string
	mod  *module
	rng  hcl.Range // of the name

	attr    *hclsyntax.Attribute // its expression, before compilation
	ex      *expression          // nil: value is constant
	value   cty.Value            // constant value
	broken  bool                 // reported already; the value is cty.DynamicVal
	nodal   bool                 // depends on outputs of nodes
	readers []*named             // who reads it
	level   int                  // length of the chain of named values below it
	reach   []target             // nodes it depends on
	reached bool

	resolved *resolution

	description string
	sensitive   bool
	typ         cty.Type
	defaults    *typeexpr.Defaults
	optional    bool // a variable with a default
	checks      []*validation
	block       *hclsyntax.Block
}

// validation is a `validation` block of a variable.
type validation struct {
	condition, message *expression
	rng                hcl.Range
}

// template is a node's block; under for_each it makes several nodes.
type template struct {
	owner
	mod    *module
	block  string
	typ    string
	name   string
	kind   *stages.Kind // nil: unknown, reported
	body   *hclsyntax.Body
	header hcl.Range

	forEachAttr *hclsyntax.Attribute
	forEach     *expression
	each        *named // the for_each value, where it depends on nodes
	direct      *nodeRef
	attributes  []*attribute
	description *expression
	executor    *expression
	// executorName is what executor = executor.NAME names.
	executorName string
	resources    *resources
	expects      []*expect

	state     expansion
	instances []*instance
	byKey     map[string]*instance
	readers   []*named // values that read its outputs
	constant  stages.Attrs
	checked   bool // all attributes are constant and Check was called
	problems  hcl.Diagnostics
}

type expansion int

const (
	notExpanded expansion = iota
	expanded
	failed // for_each is wrong: reported, there are no instances
)

// instance is one node of a template.
type instance struct {
	tmpl      *template
	key       *string
	eachKey   cty.Value
	eachValue cty.Value // NilVal: taken from tmpl.each when asked for
	id        int       // in the order of the files
	node      *Node
	deps      *depSet
	resolved  *resolution
}

// attribute is a declared attribute of a template.
type attribute struct {
	decl  *stages.Attribute
	ex    *expression // nil: not given
	nodes []*nodeRef  // for a `nodes` attribute
	rng   hcl.Range   // of the expression
	src   *hclsyntax.Attribute
}

// owner is something that holds expressions with references.
type owner struct {
	nodeRefs  []*nodeRef
	namedRefs []*namedRef
	each      bool // uses each.value
	varies    bool // a key or a condition has to be evaluated for each instance
}

// nodeRef is a reference to a block, or to one of its instances.
type nodeRef struct {
	tmpl    *template
	literal *string              // ["key"]
	key     hclsyntax.Expression // [each.key]; nil where it cannot be evaluated before the run
	ex      *expression          // that it stands in
	lenient bool                 // within try() or can(): may name what does not exist
	guards  []guard
	rng     hcl.Range
	slot    int // in a resolution
}

// namedRef is a reference to a variable, a local or an import's output.
type namedRef struct {
	to         *named
	importName string
	ex         *expression
	guards     []guard
	slot       int
}

// guard is a condition under which a reference counts: that of the conditional
// whose branch it stands in.
type guard struct {
	condition hclsyntax.Expression
	want      bool
}

// resolution is what the references of an owner mean for one instance.
type resolution struct {
	targets []target      // by nodeRef.slot
	pruned  []bool        // by slot of node references, then of named ones
	failed  []*expression // name a node that does not exist: reported, not evaluated
}

// target is a node, or all nodes of a block.
type target struct {
	tmpl *template
	inst *instance // nil: all of them
}

// depSet is what a node depends on; the nodes of one block may share it.
type depSet struct {
	targets []target
	index   []int // sorted indexes of nodes
}

func (t *template) address() string { return t.mod.prefix + t.block + "." + t.name }
