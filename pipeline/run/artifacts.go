package run

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/stages"
)

// Artifacts finds tagged results in a store, and in the team's behind it. It
// implements stages.Artifacts and is safe for concurrent use.
type Artifacts struct {
	Store *cache.Local
	Team  Team // nil where there is none
	// Names lists the tags that are known, for messages.
	Names func(context.Context) []string
}

// Find implements stages.Artifacts.
func (a *Artifacts) Find(ctx context.Context, name stages.ArtifactName, want cache.Digest) (stages.Artifact, error) {
	if err := cache.CheckTagName(name.Tag); err != nil {
		return stages.Artifact{}, fmt.Errorf("tag: %w", err)
	}
	if a.Team != nil {
		a.Team.Pull(ctx, []cache.Key{cache.TagKey(name.Tag)})
	}
	tags, refused, err := a.Store.Tags(ctx, name.Tag)
	switch {
	case err != nil:
		return stages.Artifact{}, err
	case ctx.Err() != nil:
		return stages.Artifact{}, context.Cause(ctx)
	case len(tags) == 0:
		return stages.Artifact{}, a.noTag(ctx, name.Tag, refused)
	}
	found, err := choose(tags, name, want)
	if err != nil {
		return found, err
	}
	return found, a.complete(ctx, name, found)
}

// noTag says why a tag has no value.
func (a *Artifacts) noTag(ctx context.Context, tag string, refused []string) error {
	if len(refused) > 0 {
		return fmt.Errorf("tag %q cannot be used: %s. `nbpipe key list` shows whom you trust, `nbpipe key trust NAME:KEY` trusts a signer",
			tag, strings.Join(refused, "; "))
	}
	where := "here or in the team cache"
	if a.Team == nil {
		where = "on this machine, and no team cache was looked into"
	}
	var known []string
	if a.Names != nil {
		known = a.Names(ctx)
	}
	return fmt.Errorf("there is no tag %q %s.%s `nbpipe cache tag %s EXPERIMENT` makes it, where the experiment has its results",
		tag, where, diagnostic.Hint(tag, known, "tags"), tag)
}

// choose takes the output of the newest tagging, or of the newest that has the
// wanted digest.
func choose(tags []cache.Tagging, name stages.ArtifactName, want cache.Digest) (stages.Artifact, error) {
	newest, err := outputOf(tags[0], name)
	if want.IsZero() || err == nil && newest.Digest == want {
		return newest, err
	}
	for _, t := range tags[1:] {
		if older, err := outputOf(t, name); err == nil && older.Digest == want {
			return older, nil
		}
	}
	if err != nil {
		return newest, err
	}
	return newest, fmt.Errorf("tag %q does not lead to the %s of %s with digest %s (any more); what it has now has digest %s. "+
		"To take that, delete the node's block from %s, or correct its digest, and run again",
		name.Tag, name.Output, name.Node, want, newest.Digest, plan.LockName)
}

func outputOf(t cache.Tagging, name stages.ArtifactName) (stages.Artifact, error) {
	node, ok := t.Nodes[name.Node]
	if !ok {
		nodes := slices.Collect(maps.Keys(t.Nodes))
		return stages.Artifact{}, fmt.Errorf("tag %q has no node %q.%s", t.Name, name.Node, diagnostic.Hint(name.Node, nodes, "nodes"))
	}
	var outputs map[string]json.RawMessage
	if err := json.Unmarshal(node.Outputs, &outputs); err != nil {
		return stages.Artifact{}, fmt.Errorf("tag %q: the outputs of %s: %w", t.Name, name.Node, err)
	}
	raw, ok := outputs[name.Output]
	if !ok {
		known := slices.Collect(maps.Keys(outputs))
		return stages.Artifact{}, fmt.Errorf("tag %q: %s has no output %q.%s", t.Name, name.Node, name.Output, diagnostic.Hint(name.Output, known, "outputs"))
	}
	found := stages.Artifact{Key: node.Key, Tagged: t.Time()}
	var err error
	if found.Value, err = stages.DecodeJSON(raw, cty.DynamicPseudoType); err == nil {
		found.Digest, err = stages.ValueDigest(found.Value)
	}
	if err != nil {
		err = fmt.Errorf("tag %q: output %s of %s: %w", t.Name, name.Output, name.Node, err)
	}
	return found, err
}

// complete makes sure that the store has the content of an output.
func (a *Artifacts) complete(ctx context.Context, name stages.ArtifactName, found stages.Artifact) error {
	var need cache.Entry
	stages.Files(found.Value, func(f stages.File) { need.Objects = append(need.Objects, f.Object) })
	err := a.Store.Complete(ctx, &need)
	if cache.IsMissing(err) {
		return fmt.Errorf("the content of tag %q is lost (%s of %s): %w. Run the experiment that it names again, and `nbpipe cache tag %s EXPERIMENT`",
			name.Tag, name.Output, name.Node, err, name.Tag)
	}
	return err
}
