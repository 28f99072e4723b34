package cache

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// tagOf tags one node's result, whose content is given.
func tagOf(t *testing.T, l *Local, name string, content string) *Entry {
	t.Helper()
	k := Key(DigestOf([]byte(content)))
	publish(t, l, k, []byte(content))
	e, err := l.PublishTag(t.Context(), name, map[string]*Entry{"command.a": wantHit(t, l, k)}, "test")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// tagged is what the newest tagging names: the content of its one object.
func tagged(t *testing.T, l *Local, name string) (content, signer string) {
	t.Helper()
	tags, refused, err := l.Tags(t.Context(), name)
	if err != nil || len(tags) == 0 {
		t.Fatalf("no tag %s: %q, %v", name, refused, err)
	}
	b, err := l.ReadAll(t.Context(), tags[0].Entry.Objects[0].Digest, -1)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), tags[0].Signer
}

// sendTag puts the newest own tagging of one store, signed, into another one.
func sendTag(t *testing.T, from, to *Local, name, signer string, taken time.Time) {
	t.Helper()
	own, e, ok, err := from.Own(t.Context(), TagKey(name))
	if err != nil || !ok {
		t.Fatalf("no own tag %s: %v", name, err)
	}
	sealed, err := testSigner(signer).Seal(own, "scope")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range e.Objects {
		b, err := from.ReadAll(t.Context(), o.Digest, -1)
		if err == nil {
			_, err = to.IngestBytes(t.Context(), b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	sealed.Time = taken
	if err := to.PutEntry(t.Context(), sealed); err != nil {
		t.Fatal(err)
	}
}

func trustsAll(e StoredEntry) error {
	if e.Signer == "mallory-1" {
		return errors.New("signed by mallory-1, whom you do not trust")
	}
	return nil
}

func TestTagMoves(t *testing.T) {
	now := gcStart
	l := openTest(t, t.TempDir(), Options{Now: func() time.Time { return now }})
	first := tagOf(t, l, "v", "one")
	if again := tagOf(t, l, "v", "one"); again.Record.Started != first.Record.Started {
		t.Error("nothing has changed, and it was tagged once more")
	}
	tagOf(t, l, "other", "three")
	now = now.Add(-time.Hour) // a clock that was set back
	tagOf(t, l, "v", "two")
	if got, _ := tagged(t, l, "v"); got != "two" {
		t.Errorf("the tag names %q", got)
	}
	tagOf(t, l, "v", "one")
	if got, _ := tagged(t, l, "v"); got != "one" {
		t.Errorf("moved back, the tag names %q", got)
	}
	if names, err := l.TagNames(); err != nil || !slices.Equal(names, []string{"other", "v"}) {
		t.Errorf("names %q, %v", names, err)
	}
	r, err := l.Doctor(t.Context(), false)
	if err != nil || len(r.Findings) > 0 {
		t.Errorf("a tag that moved counts as divergence: %+v, %v", r.Findings, err)
	}
	all, err := l.LookupAll(t.Context(), TagKey("v"))
	if err != nil || len(all) != 3 || Divergence(all) != nil {
		t.Errorf("%d taggings, divergence %v, %v", len(all), Divergence(all), err)
	}
	if n, err := l.DeleteTag(t.Context(), "v"); err != nil || n != 3 {
		t.Errorf("deleted %d, %v", n, err)
	}
	if tags, _, err := l.Tags(t.Context(), "v"); err != nil || len(tags) > 0 {
		t.Errorf("after it was deleted: %v, %v", tags, err)
	}
	if n, err := l.DeleteTag(t.Context(), "v"); err != nil || n != 0 {
		t.Errorf("deleted once more: %d, %v", n, err)
	}
}

// The newest tagging counts by its signed time, whoever made it and whenever the
// store took it; who is not trusted has no say.
func TestTagOfSeveralSigners(t *testing.T) {
	at := func(d time.Duration) Options {
		return Options{Now: func() time.Time { return gcStart.Add(d) }, Trust: trustsAll}
	}
	alice := openTest(t, t.TempDir(), at(time.Hour)) // her clock is fast
	bob := openTest(t, t.TempDir(), at(0))
	mallory := openTest(t, t.TempDir(), at(48*time.Hour))
	reader := openTest(t, t.TempDir(), at(0))
	tagOf(t, alice, "v", "alice's")
	sendTag(t, alice, reader, "v", "alice-1", gcStart.Add(10*time.Hour)) // refreshed since
	sendTag(t, alice, bob, "v", "alice-1", gcStart)
	tagOf(t, bob, "v", "bob's")
	if got, signer := tagged(t, bob, "v"); got != "bob's" || signer != "" {
		t.Errorf("bob has %q by %q", got, signer)
	}
	sendTag(t, bob, reader, "v", "bob-1", gcStart.Add(time.Minute))
	tagOf(t, mallory, "v", "wrong")
	sendTag(t, mallory, reader, "v", "mallory-1", gcStart.Add(time.Hour))
	if got, signer := tagged(t, reader, "v"); got != "bob's" || signer != "bob-1" {
		t.Errorf("the reader has %q by %q", got, signer)
	}
	if _, refused, _ := reader.Tags(t.Context(), "v"); len(refused) != 1 || !strings.Contains(refused[0], "mallory-1") {
		t.Errorf("refused: %q", refused)
	}
}

func TestTagNeedsContent(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	lost := testEntry(testKey(1), Object{Digest: DigestOf([]byte("nowhere")), Size: 7})
	_, err := l.PublishTag(t.Context(), "v", map[string]*Entry{"command.a": lost}, "test")
	if !IsMissing(err) {
		t.Errorf("content that is nowhere: %v", err)
	}
	if names, _ := l.TagNames(); len(names) > 0 {
		t.Errorf("and yet it is a root: %q", names)
	}
	for _, name := range []string{"", "a/b", ".hidden", "a b", strings.Repeat("x", 201)} {
		if _, err := l.PublishTag(t.Context(), name, map[string]*Entry{"command.a": lost}, "test"); err == nil || IsMissing(err) {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

// folderUpstream has a folder's manifest and members.
type folderUpstream struct{ from *Local }

func (u folderUpstream) Fetch(ctx context.Context, into *Local, want []Digest) error {
	for _, d := range want {
		b, err := u.from.ReadAll(ctx, d, -1)
		if err == nil {
			_, err = into.IngestBytes(ctx, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// What a folder lists is known only once its manifest is here.
func TestCompleteFetchesFolders(t *testing.T) {
	far := openTest(t, t.TempDir(), Options{})
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"a": "one", "b/c": "two"})
	o, err := far.Ingest(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	l := openTest(t, t.TempDir(), Options{Upstream: folderUpstream{far}})
	if _, err := l.Publish(t.Context(), testEntry(testKey(1), o)); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, l, DigestOf([]byte("two")), []byte("two"))
}

func TestGCKeepsNewestTagging(t *testing.T) {
	dir, now := t.TempDir(), gcStart
	options := func() Options { return Options{Now: func() time.Time { return now }, Trust: trustsAll} }
	l := openTest(t, dir, options())
	other := openTest(t, t.TempDir(), options())
	for _, content := range []string{"old", "new"} {
		tagOf(t, l, "v", content)
		now = now.Add(time.Hour)
	}
	tagOf(t, other, "v", "bob's")
	sendTag(t, other, l, "v", "bob-1", now)
	closeTest(t, l)
	now = now.Add(30 * 24 * time.Hour)
	roots := func(l *Local) ([]Key, error) { return []Key{TagKey("v")}, nil }
	if r := collect(t, dir, GCOptions{Now: now, Roots: roots}); r.EntriesDeleted > 0 {
		t.Errorf("without a limit: %+v", r)
	}
	r := collect(t, dir, GCOptions{Now: now, OlderThan: time.Hour, Roots: roots})
	if r.EntriesDeleted != 3 || r.BlobsDeleted != 1 { // both results, which the tag does not need, and the old tagging
		t.Errorf("%+v", r)
	}
	l = openTest(t, dir, options())
	if got, signer := tagged(t, l, "v"); got != "bob's" || signer != "bob-1" {
		t.Errorf("the tag names %q by %q", got, signer)
	}
	wantBytes(t, l, DigestOf([]byte("new")), []byte("new"))
	if have, err := l.HasBlob(t.Context(), DigestOf([]byte("old"))); err != nil || have {
		t.Errorf("what the tag named before is here still: %v", err)
	}
}
