package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/pipeline/run"
)

func (a *app) cacheTag() *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use: "tag [NAME [EXPERIMENT] [NODE...]]", Short: "Give the results of an experiment a name; without arguments, list the names",
		Long: `Give the results of an experiment, or of some nodes, a name. They are kept as long
as the name is there, and other experiments can use them: dataset "artifact".
Tagging again moves the name. Where there is a team cache and a key to sign with,
the tag and all that it names is published, too.

Without arguments, list the tags that are known here and in the team cache of
your own settings, or of the experiment in this folder. With --delete, remove a tag.`,
		Example: `  nbpipe cache tag nb360-2026 experiments/nb360
  nbpipe cache tag
  nbpipe cache tag --delete nb360-2026`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch ctx := cmd.Context(); {
			case remove && len(args) == 0:
				return withCode(exitUsage, errors.New("--delete takes the name of a tag"))
			case remove:
				return a.deleteTag(ctx, args[0], args[1:])
			case len(args) == 0:
				return a.listTags(ctx)
			default:
				return a.tag(ctx, args[0], args[1:])
			}
		},
	}
	cmd.Flags().BoolVar(&remove, "delete", false, "remove the tag NAME, here and in the team cache; what it named may go with the next collection")
	return cmd
}

// tagJSON is what `cache tag NAME --json` prints.
type tagJSON struct {
	Name      string    `json:"name"`
	Key       cache.Key `json:"key"`
	Time      time.Time `json:"time"`
	Nodes     []string  `json:"nodes"`
	Bytes     int64     `json:"bytes"`
	Published bool      `json:"published"` // it is in the team cache
	Sent      int64     `json:"sent"`      // bytes
}

func (a *app) tag(ctx context.Context, name string, args []string) error {
	if err := cache.CheckTagName(name); err != nil {
		return withCode(exitUsage, err)
	}
	s, err := a.open(ctx, args, false)
	if err != nil {
		return err
	}
	defer s.close()
	s.ask = true
	v := a.newView()
	defer v.close()
	v.phase("reading " + s.target.experiment)
	if err := s.load(ctx, v.event); err != nil {
		return err
	}
	nodes, err := s.results()
	if err != nil {
		return err
	}
	v.phase("tagging")
	doc, err := s.publishTag(ctx, name, nodes)
	v.close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(doc)
	}
	fmt.Fprintf(a.stdout, "%s: %s tagged, %s\n", name, count(len(doc.Nodes), "node"), byteText(doc.Bytes))
	if doc.Published {
		fmt.Fprintf(a.stdout, "published to the team cache, %s sent\n", byteText(doc.Sent))
	}
	return nil
}

// results are the entries of the nodes that were named, or of all, by address.
func (s *session) results() (map[string]*cache.Entry, error) {
	nodes := s.engine.Nodes
	if len(s.wanted) > 0 {
		nodes = nil
		for _, w := range s.wanted {
			nodes = append(nodes, s.engine.Nodes[w.Index])
		}
	}
	out := map[string]*cache.Entry{}
	var without []string
	for _, n := range nodes {
		if n.Status != run.Cached {
			without = append(without, n.Address)
		} else {
			out[n.Address] = n.Entry
		}
	}
	switch {
	case len(without) > 0:
		return nil, withCode(exitUsage, fmt.Errorf("%s without a result: %s; `nbpipe run %s` makes them",
			count(len(without), "node"), abbreviate(without, 10), s.target.experiment))
	case len(out) == 0:
		return nil, withCode(exitUsage, fmt.Errorf("%s has no nodes", s.target.experiment))
	}
	return out, nil
}

func (s *session) publishTag(ctx context.Context, name string, nodes map[string]*cache.Entry) (tagJSON, error) {
	if s.team != nil { // what others tagged last is to be replaced
		s.team.Pull(ctx, []cache.Key{cache.TagKey(name)})
	}
	e, err := s.store.PublishTag(ctx, name, nodes, version)
	if cache.IsMissing(err) {
		err = fmt.Errorf("%w; the tag was not made: `nbpipe cache pull %s` fetches what the team cache has, `nbpipe run` makes what is lost", err, s.target.experiment)
	}
	if err != nil {
		return tagJSON{}, withCode(exitStore, err)
	}
	doc := tagJSON{Name: name, Key: e.Key, Time: e.Record.Started, Nodes: sortedKeys(nodes), Bytes: sizeOf(e.Objects)}
	if s.apart && !s.app.settings.Offline {
		return doc, withCode(exitStore, errors.New("the tag is on this machine, and not in the team cache: run this again when it can be reached"))
	}
	if s.team == nil || s.team.Key == nil {
		return doc, nil
	}
	if doc.Sent, err = s.shareTag(ctx, name, e); err != nil {
		return doc, withCode(exitStore, fmt.Errorf("the tag is on this machine, and not in the team cache: %w", err))
	}
	doc.Published = true
	return doc, nil
}

// shareTag sends a tag and its content. The root goes first: a collection must
// never find the content without it.
func (s *session) shareTag(ctx context.Context, name string, e *cache.Entry) (sent int64, err error) {
	ref, err := json.Marshal(cache.TagRef{Name: name, Key: e.Key})
	if err != nil {
		return 0, err
	}
	if err := s.team.Remote.SetRef(ctx, cache.TagRefs+name, ref); err != nil {
		return 0, err
	}
	got, err := s.team.Push(ctx, []cache.Key{e.Key}, false)
	for _, f := range got.Failed {
		err = errors.Join(err, f.Err)
	}
	return got.Bytes, err
}

func sizeOf(objects []cache.Object) (n int64) {
	for _, o := range objects {
		n += o.Size
	}
	return n
}

// openTags opens the store, and the team cache of the user's settings or of the
// experiment, which need not be there if it is not named.
func (a *app) openTags(ctx context.Context, args []string) (*session, error) {
	s, err := a.open(ctx, args, false)
	if err != nil {
		return nil, err
	}
	if files, err := filepath.Glob(filepath.Join(s.path, "*.hcl")); len(args) == 0 && err == nil && len(files) == 0 {
		s.x = &lang.Experiment{}
	} else if err := s.parse(ctx); err != nil {
		s.close()
		return nil, err
	}
	s.trust.LoadChecks(s.store)
	if err := s.join(ctx, nil); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// listedTag is a tag as `cache tag` lists it: its newest tagging, or why it has none.
type listedTag struct {
	Name   string     `json:"name"`
	Here   bool       `json:"here"` // kept on this machine
	Team   bool       `json:"team"` // kept in the team cache
	Time   *time.Time `json:"time,omitempty"`
	Signer string     `json:"signer,omitempty"` // "" for this machine
	Nodes  []string   `json:"nodes,omitempty"`
	Bytes  int64      `json:"bytes,omitempty"`
	Reason string     `json:"reason,omitempty"` // why it cannot be used
}

func (a *app) listTags(ctx context.Context) error {
	s, err := a.openTags(ctx, nil)
	if err != nil {
		return err
	}
	defer s.close()
	tags, err := s.tags(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return withCode(exitStore, err)
	}
	if a.json {
		return a.printJSON(tags)
	}
	for _, t := range tags {
		fmt.Fprintln(a.stdout, t)
	}
	if len(tags) == 0 {
		fmt.Fprintln(a.stdout, "no tags; `nbpipe cache tag NAME EXPERIMENT` makes one")
	}
	return nil
}

// String is a line of the list.
func (t listedTag) String() string {
	where := "here"
	switch {
	case t.Here && t.Team:
		where = "here and in the team cache"
	case t.Team:
		where = "in the team cache"
	}
	if t.Time == nil {
		return fmt.Sprintf("%s  %s  cannot be used: %s", t.Name, where, t.Reason)
	}
	signer := t.Signer
	if signer == "" {
		signer = "this machine"
	}
	return fmt.Sprintf("%s  %s  by %s  %s, %s  %s", t.Name, t.Time.Local().Format(time.DateTime), signer, count(len(t.Nodes), "node"), byteText(t.Bytes), where)
}

// tags lists the tags that are kept here or in the team cache.
func (s *session) tags(ctx context.Context) ([]listedTag, error) {
	here, err := s.store.TagNames()
	if err != nil {
		return nil, err
	}
	remote, err := s.teamTags(ctx)
	if err != nil {
		s.app.tell(fmt.Sprintf("the tags of the team cache are not known: %v", err))
	}
	names := slices.Compact(slices.Sorted(slices.Values(slices.Concat(here, remote))))
	if s.team != nil {
		keys := make([]cache.Key, len(names))
		for i, n := range names {
			keys[i] = cache.TagKey(n)
		}
		s.team.Pull(ctx, keys)
	}
	out := make([]listedTag, len(names))
	for i, n := range names {
		out[i] = listedTag{Name: n, Here: slices.Contains(here, n), Team: slices.Contains(remote, n)}
		if err := s.describeTag(ctx, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *session) describeTag(ctx context.Context, t *listedTag) error {
	tags, refused, err := s.store.Tags(ctx, t.Name)
	if err != nil {
		return err
	}
	if len(tags) == 0 {
		if t.Reason = "its results are gone"; len(refused) > 0 {
			t.Reason = refused[0]
		}
		return nil
	}
	at := tags[0].Time()
	t.Time, t.Signer, t.Nodes, t.Bytes = &at, tags[0].Signer, sortedKeys(tags[0].Nodes), sizeOf(tags[0].Entry.Objects)
	return nil
}

// teamTags lists the tags that are roots of the team cache.
func (s *session) teamTags(ctx context.Context) ([]string, error) {
	if s.team == nil {
		return nil, nil
	}
	refs, err := s.team.Remote.Refs(ctx, cache.TagRefs)
	var out []string
	for _, r := range refs {
		if name := r.Name[len(cache.TagRefs):]; cache.CheckTagName(name) == nil {
			out = append(out, name)
		}
	}
	return out, err
}

// deletedJSON is what `cache tag --delete NAME --json` prints.
type deletedJSON struct {
	Name string `json:"name"`
	Here int    `json:"here"` // taggings that were forgotten
	Team bool   `json:"team"` // it is no root of the team cache any more
}

func (a *app) deleteTag(ctx context.Context, name string, args []string) error {
	if err := cache.CheckTagName(name); err != nil {
		return withCode(exitUsage, err)
	}
	s, err := a.openTags(ctx, args)
	if err != nil {
		return err
	}
	defer s.close()
	known, listErr := s.teamTags(ctx)
	here, err := s.store.TagNames()
	if err != nil {
		return withCode(exitStore, err)
	}
	doc := deletedJSON{Name: name}
	if doc.Here, err = s.store.DeleteTag(ctx, name); err != nil {
		return withCode(exitStore, err)
	}
	if slices.Contains(known, name) {
		if listErr = s.team.Remote.DeleteRef(ctx, cache.TagRefs+name); listErr == nil {
			doc.Team = true
		}
	} else if s.apart && !a.settings.Offline {
		listErr = errors.New("it could not be reached")
	}
	if listErr != nil {
		return withCode(exitStore, fmt.Errorf("the tag is not on this machine any more; in the team cache it may be: %w (deleting takes a collector's rights)", listErr))
	}
	if doc.Here == 0 && !doc.Team {
		return withCode(exitUsage, fmt.Errorf("there is no tag %q.%s", name, diagnostic.Hint(name, append(known, here...), "tags")))
	}
	if a.json {
		return a.printJSON(doc)
	}
	fmt.Fprintf(a.stdout, "tag %s deleted%s; what it named may go with the next collection\n", name, map[bool]string{true: ", here and in the team cache"}[doc.Team])
	return nil
}

// artifacts finds tagged results for stages.
func (s *session) artifacts() *run.Artifacts {
	a := &run.Artifacts{Store: s.store, Names: func(ctx context.Context) []string {
		here, _ := s.store.TagNames() // for a message only
		remote, _ := s.teamTags(ctx)
		return append(here, remote...)
	}}
	if s.team != nil {
		a.Team = s.team
	}
	return a
}
