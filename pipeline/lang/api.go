package lang

import (
	"context"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/lang/source"
	"github.com/nbpipe/nbpipe/stages"
)

// Options are what Load needs from its caller.
type Options struct {
	// Kinds are the kinds of nodes that a file may use.
	Kinds *stages.Registry
	// Executors are the types of executor blocks that a file may use.
	Executors launch.Kinds
	// Hash gives the digest of a file or folder named by path(). It must store
	// nothing. Where it is nil, path() is an error.
	Hash func(path string) (cache.Object, error)
	// Environment are the values of NBPIPE_VAR_name. A name that no variable has
	// is ignored.
	Environment []Assignment
	// Variables are the values of --var-file and --var, in rising precedence:
	// files first. The *.auto.nbvars files of the experiment's folder, which
	// Load finds itself, stand between Environment and Variables.
	Variables []Assignment
	// Version is nbpipe's own, for settings.required_version; empty skips the check.
	Version string
}

// Assignment gives variables values: either one, as text, or a file of them.
type Assignment struct {
	Name  string // of the variable
	Value string // as typed: the text itself for a string variable, else an HCL expression
	From  string // where it comes from, for messages: `NBPIPE_VAR_alpha`, `--var`
	File  string // instead of the above: path of a file of `name = value` lines
}

// Experiment is a loaded experiment. Its exported fields are not to be changed.
// It and its States are used by one goroutine at a time.
type Experiment struct {
	Root   string  // absolute folder, links resolved; nothing outside is read
	Path   string  // as given
	Single bool    // Path is a file, not a folder
	Nodes  []*Node // producers first; otherwise in the order of the files

	// Cache is where the experiment's authors share results; nil if nowhere. It
	// comes from a file that may be a stranger's: it takes effect only once the
	// user has agreed.
	Cache *CacheSettings

	// Executors are where nodes can run beside this machine, by name; Executor is
	// where those run that name none, "" for here.
	Executors map[string]*Executor
	Executor  string

	executorRange hcl.Range

	tree   *source.Tree
	root   *module
	named  []*named
	meter  *meter
	static *State // knows no outputs at all

	secrets   bool // some value may be sensitive
	templates []*template
	index     map[string]*Node
}

// Read is a file or folder that influenced the loaded experiment.
type Read = source.Read

// Reads lists everything on disk that influenced what was loaded and evaluated
// so far, sorted by path. It is complete once the attributes of all nodes have
// been evaluated, since that is when path() and file() are called.
func (x *Experiment) Reads() []Read { return x.tree.Reads() }

// Sources are the contents of the files, by the name that ranges carry.
func (x *Experiment) Sources() map[string][]byte { return x.tree.Sources() }

// Node is one node of the graph.
type Node struct {
	Index       int     // in Experiment.Nodes
	Address     string  // import.x.kind.name["key"]
	Block       string  // "dataset"
	Type        string  // "fetch"
	Name        string  // second label
	EachKey     *string // under for_each
	Kind        *stages.Kind
	Range       hcl.Range // of the block's header
	Description string
	Executor    string // name of an executor block, LocalExecutor, or "" where nothing is said
	Deps        []int  // sorted indexes of the nodes it refers to or depends_on; shared between nodes, read only
	Expects     int    // number of expect blocks

	inst *instance
}

// OutputValue is an `output` block of the experiment.
type OutputValue struct {
	Name        string
	Description string
	Value       cty.Value // may be unknown; unmarked
	Sensitive   bool      // Value is not to be shown
	Range       hcl.Range
}

// Load reads a folder of *.hcl files, or one file. It reports all problems that
// can be seen without evaluating nodes; where there are such, it adds those of
// Check, so that all problems are seen at once. The experiment is never nil, so
// that its Sources can be shown; it must not be run when there are errors.
func Load(ctx context.Context, path string, o Options) (*Experiment, hcl.Diagnostics) {
	return load(ctx, path, o)
}
