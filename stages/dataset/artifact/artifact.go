package artifact

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
)

// Kind is `dataset "artifact"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "dataset", Type: "artifact", Version: 1, Reproducible: true,
	Doc: "An output of another experiment's node, found by a tag (nbpipe cache tag).",
	Outputs: map[string]string{
		"file":  "The output, where it is a file or folder; else null.",
		"table": "The output, where it is a table; else null.",
		"value": "The output, where it is a value; else null.",
	},
})

// Stage is one artifact.
type Stage struct {
	Tag    string `attr:"tag" doc:"The tag, as given to nbpipe cache tag."`
	Node   string `attr:"node" doc:"Address of the node in the experiment that was tagged, such as preprocess.vision."`
	Output string `attr:"output" doc:"Which of the node's outputs."`
	Digest string `attr:"digest,key,optional,lower" doc:"SHA-256 of the output's value in 64 hexadecimal digits. Without it, the first run records it in nbpipe.lock."`
}

// OutputTypes implements stages.Stage.
func (*Stage) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{"file": stages.FileType, "table": stages.TableType, "value": cty.DynamicPseudoType}
}

// LockSource implements stages.Locked.
func (s *Stage) LockSource() (source, attribute string, unpinned bool) {
	return fmt.Sprintf("tag %s: %s.%s", s.Tag, s.Node, s.Output), "digest", s.Digest == ""
}

// Check implements stages.Checker.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	var out []stages.Problem
	add := func(attribute, summary, detail string) {
		out = append(out, stages.Problem{Attribute: attribute, Summary: summary, Detail: detail})
	}
	if tag, ok := text(attrs, "tag"); ok {
		if err := cache.CheckTagName(tag); err != nil {
			add("tag", "This cannot be a tag", err.Error()+". `nbpipe cache tag` lists the tags that are known.")
		}
	}
	if node, ok := text(attrs, "node"); ok && node == "" {
		add("node", "The node is missing", "Give the address of a node of the experiment that was tagged, such as preprocess.vision.")
	}
	if output, ok := text(attrs, "output"); ok && output == "" {
		add("output", "The output is missing", "Give the name of one of the node's outputs, such as table.")
	}
	if digest, ok := text(attrs, "digest"); ok {
		if _, err := cache.ParseDigest(digest); err != nil {
			add("digest", "This is no SHA-256", err.Error()+". Leave digest out, and the first run records it in nbpipe.lock.")
		}
	}
	return out
}

func text(attrs stages.Attrs, name string) (string, bool) {
	if !attrs.Known(name) {
		return "", false
	}
	v, _ := attrs[name].Unmark()
	return v.AsString(), true
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	if in.Services.Artifacts == nil {
		return errors.New("there is no store of other experiments' results here")
	}
	var want cache.Digest
	if s.Digest != "" {
		var err error
		if want, err = cache.ParseDigest(s.Digest); err != nil {
			return fmt.Errorf("digest: %w", err)
		}
	}
	found, err := in.Services.Artifacts.Find(ctx, stages.ArtifactName{Tag: s.Tag, Node: s.Node, Output: s.Output}, want)
	if err != nil {
		return err
	}
	if s.Digest == "" {
		out.Pins["digest"] = found.Digest.String()
	}
	set(out, found.Value)
	out.Facts["tag"] = s.Tag
	out.Facts["artifact"] = s.Node + "." + s.Output
	out.Facts["key"] = found.Key.String()
	out.Facts["tagged"] = found.Tagged.UTC().Format(time.RFC3339)
	return nil
}

// set sets the output that fits the value, and the others to null.
func set(out *stages.Output, v cty.Value) {
	name := "value"
	switch {
	case v.Type().Equals(stages.TableType):
		name = "table"
	case v.Type().Equals(stages.FileType):
		name = "file"
	}
	for n, t := range (*Stage)(nil).OutputTypes(nil) {
		out.Set(n, cty.NullVal(t))
	}
	out.Set(name, v)
}
