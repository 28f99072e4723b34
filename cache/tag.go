package cache

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// TagKind is the kind of an entry that is a tag: a name that somebody gave to
	// results. Its outputs change on purpose, so that they never diverge.
	TagKind = "tag"
	// TagRefs begins the names of the refs that make tags roots of collections,
	// in every store.
	TagRefs = "tags/"
)

// Tag is what a tag's entry has as outputs: results by the address of their node.
type Tag struct {
	Name  string                `json:"name"`
	Nodes map[string]TaggedNode `json:"nodes"`
}

// TaggedNode is a result that a tag names.
type TaggedNode struct {
	Kind    string          `json:"kind"`
	Key     Key             `json:"key"`
	Outputs json.RawMessage `json:"outputs"` // as in the entry of that key
}

// TagRef is what is in a tag's ref. The name alone tells the key, too.
type TagRef struct {
	Name string `json:"name"`
	Key  Key    `json:"key"`
}

// Tagging is one entry of a tag's key that is trusted: the tag's value, or one
// that it had before.
type Tagging struct {
	Tag
	Entry  *Entry
	Signer string // "" for this machine's own
}

// Time is when it was tagged, by the clock of who did it, and after every tagging
// that was known there.
func (t Tagging) Time() time.Time { return t.Entry.Record.Started }

// CheckTagName accepts what may be the name of a tag.
func CheckTagName(name string) error { return checkName(name, false) }

func tagPreimage(name string) *Preimage {
	p := NewPreimage()
	p.Add("kind", FieldString, TagKind)
	p.Add("name", FieldString, name)
	return p
}

// TagKey is the key of a tag's entries.
func TagKey(name string) Key { return tagPreimage(name).Key() }

// Tags returns the taggings of a name that are to be believed, the newest first,
// and the reasons why others are not. Content of theirs may be elsewhere, or lost.
//
// What decides is the signed time in the entry. The time at which a store took it
// is no help: who can write to a bucket, or refreshes an object there, renews it.
func (l *Local) Tags(ctx context.Context, name string) (tags []Tagging, refused []string, err error) {
	all, err := l.LookupAll(ctx, TagKey(name))
	if err != nil {
		return nil, nil, err
	}
	for _, c := range all {
		reason := c.Reason
		if c.Entry != nil { // trusted; the content is looked at when it is asked for
			t := Tagging{Entry: c.Entry, Signer: c.Stored.Signer}
			if err := t.decode(name); err == nil {
				tags = append(tags, t)
				continue
			}
			reason = "it is no tag of this version"
		}
		if !slices.Contains(refused, reason) {
			refused = append(refused, reason)
		}
	}
	slices.SortStableFunc(tags, func(a, b Tagging) int {
		return cmp.Or(b.Time().Compare(a.Time()), cmp.Compare(a.Signer, b.Signer))
	})
	return tags, refused, nil
}

func (t *Tagging) decode(name string) error {
	if err := json.Unmarshal(t.Entry.Outputs, &t.Tag); err != nil {
		return err
	}
	if t.Entry.Kind != TagKind || t.Name != name {
		return errors.New("it is another's")
	}
	return nil
}

// PublishTag gives results a name: entries by the address of their node. Their
// content is fetched from upstream where it is not here. Tagging again adds an
// entry, unless nothing has changed; the newest one is the tag's value.
func (l *Local) PublishTag(ctx context.Context, name string, nodes map[string]*Entry, build string) (*Entry, error) {
	if err := CheckTagName(name); err != nil {
		return nil, err
	}
	e, err := tagEntry(name, nodes)
	if err != nil {
		return nil, err
	}
	e.Record = Record{Started: l.opt.Now().UTC().Truncate(time.Millisecond), Build: build}
	if err := l.Complete(ctx, e); err != nil {
		return nil, err
	}
	// The root first: what it protects must never be there without it.
	ref, err := json.Marshal(TagRef{Name: name, Key: e.Key})
	if err != nil {
		return nil, err
	}
	if err := l.SetRef(TagRefs+name, ref); err != nil {
		return nil, err
	}
	before, _, err := l.Tags(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(before) > 0 {
		newest := before[0]
		if newest.Signer == "" && newest.Entry.OutputDigest() == e.OutputDigest() {
			return newest.Entry, nil
		}
		// Clocks differ. Who tags knows of what was there, and means to replace it.
		if least := newest.Time().Add(time.Millisecond); e.Record.Started.Before(least) {
			e.Record.Started = least
		}
	}
	_, err = l.Publish(ctx, e)
	return e, err
}

func tagEntry(name string, nodes map[string]*Entry) (*Entry, error) {
	if len(nodes) == 0 {
		return nil, fmt.Errorf("tag %s: there is nothing to tag", name)
	}
	tag := Tag{Name: name, Nodes: make(map[string]TaggedNode, len(nodes))}
	e := &Entry{Key: TagKey(name), Kind: TagKind, Preimage: tagPreimage(name).Bytes()}
	for address, n := range nodes {
		tag.Nodes[address] = TaggedNode{Kind: n.Kind, Key: n.Key, Outputs: n.Outputs}
		e.Objects = append(e.Objects, n.Objects...)
	}
	e.Objects = sortObjects(e.Objects)
	var err error
	e.Outputs, err = json.Marshal(tag)
	return e, err
}

// DeleteTag forgets a tag on this machine. n is how many taggings there were, at
// least 1 if there was a root only.
func (l *Local) DeleteTag(ctx context.Context, name string) (n int, err error) {
	if err := CheckTagName(name); err != nil {
		return 0, err
	}
	_, err = l.Ref(TagRefs + name)
	rooted := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	// Entries first: without them, the root protects nothing.
	if n, err = l.Forget(ctx, TagKey(name)); err != nil || !rooted {
		return n, err
	}
	return max(n, 1), l.DeleteRef(TagRefs + name)
}

// TagNames lists the tags that are roots of this store, sorted.
func (l *Local) TagNames() ([]string, error) {
	refs, err := l.Refs()
	var out []string
	for _, r := range refs {
		if name, ok := strings.CutPrefix(r, TagRefs); ok && CheckTagName(name) == nil {
			out = append(out, name)
		}
	}
	return out, err
}
