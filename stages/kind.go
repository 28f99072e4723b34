package stages

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// Kind describes one kind of node: its block's labels, attributes and version.
type Kind struct {
	Block      string // first keyword, such as "dataset"
	Type       string // first label, such as "fetch"
	Version    int    // part of every key; raised when results change
	Doc        string
	Attributes []Attribute // sorted by name

	// Outputs says what each output is, by its name; for the reference.
	Outputs map[string]string

	// Reproducible says that equal keys give equal bytes. Where false,
	// `verify` compares metrics instead of digests.
	Reproducible bool

	// Resumes says that the stage keeps what it has done so far in Input.Resume.
	Resumes bool

	new func() Stage
}

// Name is "block type", as in `dataset fetch`.
func (k *Kind) Name() string { return k.Block + " " + k.Type }

// Attribute describes one attribute of a kind.
type Attribute struct {
	Name      string
	Type      cty.Type  // values are converted to it; cty.DynamicPseudoType takes anything
	Default   cty.Value // cty.NilVal if there is none; a null of Type when optional without default
	Key       bool      // part of the node's key
	Optional  bool
	Sensitive bool // takes sensitive values
	Lower     bool // a string whose case does not matter: lower-cased before it reaches a key or a run
	Nodes     bool // a list of references to nodes: evaluated to a list of addresses (strings)
	Doc       string
	Fields    []Attribute // of an object, or of each object in a list or map

	field []int // index of the struct's field
}

// Attribute finds an attribute by name.
func (k *Kind) Attribute(name string) (*Attribute, bool) {
	i, ok := slices.BinarySearchFunc(k.Attributes, name, func(a Attribute, n string) int {
		return cmpString(a.Name, n)
	})
	if !ok {
		return nil, false
	}
	return &k.Attributes[i], true
}

// Attrs are the evaluated attributes of a node, converted to their declared
// types, defaults filled in; a value that is not known yet is cty.Unknown.
type Attrs map[string]cty.Value

// Known reports whether every named attribute is wholly known and not null.
func (a Attrs) Known(names ...string) bool {
	for _, n := range names {
		v, ok := a[n]
		if !ok || v.IsNull() || !v.IsWhollyKnown() {
			return false
		}
	}
	return true
}

// Strings returns a known list or set of strings, or the sorted keys of a map.
func (a Attrs) Strings(name string) []string {
	if !a.Known(name) {
		return nil
	}
	v, _ := a[name].Unmark()
	if t := v.Type(); t.IsMapType() || t.IsObjectType() {
		return sortedKeys(v)
	}
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if e.Type() == cty.String && !e.IsNull() {
			out = append(out, e.AsString())
		}
	}
	return out
}

// Problem is something wrong with a node's attributes, found before it runs.
type Problem struct {
	Attribute string // "" for the block as a whole
	Summary   string // one line
	Detail    string // a paragraph with the remedy
	Warning   bool
}

// Stage is an instance of a kind, its fields filled from attributes.
type Stage interface {
	// OutputTypes declares the outputs, given the attributes. Attributes may be
	// unknown; what then cannot be said is cty.DynamicPseudoType. It is called
	// on a zero stage: use attrs, not fields.
	OutputTypes(attrs Attrs) map[string]cty.Type
	// Run makes the outputs. It reads its fields and in, and nothing else.
	Run(ctx context.Context, in *Input, out *Output) error
}

// Checker is implemented by stages that check attribute values before the run.
// It is called on a zero stage; unknown attributes are to be skipped.
type Checker interface {
	Check(attrs Attrs) []Problem
}

// Tooled is implemented by stages whose keys depend on programs of the machine:
// each probe's standard output enters the key. Called on a filled stage.
type Tooled interface {
	Probes() map[string]Probe
}

// Probe is a command that says which version of a tool this machine has.
type Probe struct {
	Argv []string
	Path string   // the PATH in which the stage finds its programs; "" for nbpipe's own
	Pass []string // variables of nbpipe's own environment that the command sees, as the stage's programs do
	Read []string `json:",omitempty"` // what the command may read beside programs and the system; absolute, or ~/ for HOME
}

// Versioned is implemented by stages whose results depend on what this process
// finds on the machine, such as the processor's instructions: each string enters
// the key. Called on a filled stage; on a zero stage it names all that could matter
// to any.
type Versioned interface {
	Versions() map[string]string
}

// Locked is implemented by stages that fetch content whose digest is not known
// before the first run. The digest is then kept in the experiment's lock file.
// Called on a filled stage.
type Locked interface {
	// LockSource returns what the lock entry is about (the URLs), the attribute
	// that pins it, and whether that attribute is still to be pinned.
	LockSource() (source, attribute string, unpinned bool)
}

// Estimator is implemented by stages that know what they need. A resources
// block in the file overrides it.
type Estimator interface {
	Resources() Resources
}

// Resources are what a node asks of the machine that runs it. No part of a key, but
// for GPUModel.
type Resources struct {
	CPUs   float64 // cores; 0 means 1
	Memory int64   // bytes; 0 means not stated
	Disk   int64   // bytes of the scratch folder; 0 means not limited
	GPUs   int
	Time   int64 // seconds; 0 means no limit

	// GPUShare is how much of its one GPU the stage needs, where stages can share
	// one; 0 means all of it.
	GPUShare float64 `json:",omitempty"`
	// GPUModel is what the GPUs have to be; "" means any.
	GPUModel string `json:",omitempty"`
	// Exclusive stages have their machine to themselves: those that measure time.
	Exclusive bool `json:",omitempty"`
}

// Services are what the engine lends to stages that need more than their inputs.
type Services struct {
	Mirrors []string // folders searched by SHA-256 before the network
	Offline bool     // no network
	Memory  int64    // bytes of the machine that stages may use; 0 where nobody said

	// Environment is nbpipe's own, as os.Environ gives it: set by cmd, read by
	// stages that pass parts of it on. Never part of a key as a whole.
	Environment []string

	// Artifacts finds results of other experiments; nil where there is no store of them.
	Artifacts Artifacts

	// Sandbox confines programs that stages start; nil to start them as they are.
	Sandbox *sandbox.Sandbox

	// Memo, where set, keeps what stages found out, such as the digest of a
	// mirror's file, for the life of the run. Keys have types of the stage's package.
	Memo *sync.Map
}

// Artifacts finds results that somebody tagged, of any experiment.
type Artifacts interface {
	// Find returns an output, its content in the store. Of several taggings the
	// newest counts; with a digest that is not zero, the newest that has it. Errors
	// name the tag and the remedy.
	Find(ctx context.Context, name ArtifactName, want cache.Digest) (Artifact, error)
}

// ArtifactName names an output of a node of the experiment that was tagged.
type ArtifactName struct{ Tag, Node, Output string }

// Artifact is an output that a tag names.
type Artifact struct {
	Value  cty.Value
	Digest cache.Digest // see ValueDigest
	Key    cache.Key    // of the node that made it
	Tagged time.Time
}

// Input is what a running stage sees.
type Input struct {
	Address  string    // of the node, for messages only
	Scratch  string    // private, empty folder; removed afterwards
	Seed     uint64    // constant unless the file gives a seed
	CPUs     int       // how many cores the stage may use, at least 1
	Limits   Resources // what the node may use; 0 where that is not limited
	GPUs     []string  // the stage's own, as CUDA_VISIBLE_DEVICES has them; nil where nobody says
	Services Services  // whose Environment says so, too
	Log      io.Writer // captured, shown when the stage fails
	Progress Progress  // never nil
	Store    InputStore
	Probes   map[string]string // outputs of tool probes and of Versioned, by name

	// Resume is a folder of this node's key that outlives an attempt that was
	// killed or failed, and goes when the result is published. Only kinds that say
	// they resume have one. What is in it comes from the same key, but maybe from
	// the middle of a write.
	Resume string
}

// InputStore gives a stage its inputs. Bytes are verified.
type InputStore interface {
	// ReadAll returns the bytes of a file.
	ReadAll(ctx context.Context, f File) ([]byte, error)
	// Open streams the bytes of a file.
	Open(ctx context.Context, f File) (io.ReadCloser, error)
	// Materialise puts a copy of a file or folder at dest, which must not exist.
	Materialise(ctx context.Context, f File, dest string) error
}

// Progress takes a stage's progress. Implementations are safe for concurrent use.
type Progress interface {
	// Report says how far the stage is: done of total units ("bytes", "rows",
	// "resamples"); total 0 where it is not known.
	Report(done, total int64, unit string)
}

// Output collects what a stage made.
type Output struct {
	Values   map[string]cty.Value // set by Set
	Files    map[string]OutputFile
	Metrics  map[string]float64
	Warnings []string
	Facts    map[string]string
	Pins     map[string]string // attribute to value, see Locked
}

// OutputFile is a file or folder that a stage left in its scratch folder.
type OutputFile struct {
	Path  string // absolute, inside Scratch
	Name  string // file name for people
	Table bool
}

// NewOutput makes an empty Output.
func NewOutput() *Output {
	return &Output{
		Values:  map[string]cty.Value{},
		Files:   map[string]OutputFile{},
		Metrics: map[string]float64{},
		Facts:   map[string]string{},
		Pins:    map[string]string{},
	}
}

// Save leaves bytes in the scratch folder as the output of that name; display is the
// file's name for people.
func (in *Input) Save(out *Output, output, display string, content []byte) error {
	path := filepath.Join(in.Scratch, output+filepath.Ext(display))
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("writing output %s: %w", output, err)
	}
	out.SetFile(output, path, display)
	return nil
}

// Set records an output value. The engine converts it to the declared type.
func (o *Output) Set(name string, v cty.Value) { o.Values[name] = v }

// SetFile records that path (inside Scratch) is the output's content.
func (o *Output) SetFile(name, path, display string) {
	o.Files[name] = OutputFile{Path: path, Name: display}
}

// SetTable records that path holds a table in the format of stages/nas/table.
func (o *Output) SetTable(name, path, display string) {
	o.Files[name] = OutputFile{Path: path, Name: display, Table: true}
}

// Warn records a warning for the user; it is kept with the entry.
func (o *Output) Warn(format string, args ...any) {
	o.Warnings = append(o.Warnings, fmt.Sprintf(format, args...))
}

// Verdict is the outcome of one expect block.
type Verdict struct {
	Node      string   `json:"node"` // address
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`           // "print", "claim" or "own"
	Claim     string   `json:"claim"`          // the claim in words
	Value     *float64 `json:"value"`          // nil for NaN, or where Text says it
	Text      string   `json:"text,omitempty"` // a value that is no number
	Low       *float64 `json:"ci_low,omitempty"`
	High      *float64 `json:"ci_high,omitempty"`
	Equals    *float64 `json:"equals,omitempty"`
	Want      string   `json:"want,omitempty"` // a limit that is no number
	Tolerance *float64 `json:"tolerance,omitempty"`
	Min       *float64 `json:"min,omitempty"`
	Max       *float64 `json:"max,omitempty"`
	Outcome   Outcome  `json:"outcome"`
	Reason    string   `json:"reason,omitempty"` // why inconclusive, or by how much it misses
}

// Outcome is a verdict in a word.
type Outcome string

// The outcomes of an expect block.
const (
	Reproduced    Outcome = "reproduced"
	NotReproduced Outcome = "not reproduced"
	Inconclusive  Outcome = "inconclusive"
)

// NodeInfo tells a stage with a `nodes` attribute about a node and what it was
// made from. Its canonical JSON is part of the stage's key.
type NodeInfo struct {
	Address     string          `json:"address"`
	Kind        string          `json:"kind"` // "hypothesis rank_transfer"
	Version     int             `json:"version"`
	Description string          `json:"description,omitempty"`
	Key         cache.Key       `json:"key"`
	Inputs      []string        `json:"inputs,omitempty"` // addresses of what it depends on directly
	Attributes  json.RawMessage `json:"attributes"`       // known, not sensitive, by name
	Outputs     json.RawMessage `json:"outputs"`
	Verdicts    []Verdict       `json:"verdicts,omitempty"`
	Upstream    []NodeInfo      `json:"upstream,omitempty"` // everything it was made from, in dependency order; no verdicts, no Upstream of their own
}

// Output returns one output's JSON.
func (n NodeInfo) Output(name string) (json.RawMessage, bool) {
	var m map[string]json.RawMessage
	if json.Unmarshal(n.Outputs, &m) != nil {
		return nil, false
	}
	raw, ok := m[name]
	return raw, ok
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
