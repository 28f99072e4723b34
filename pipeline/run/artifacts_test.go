package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
)

// shelf is a store with tags, and a clock that goes on by a second a tagging.
type shelf struct {
	*Artifacts
	t   *testing.T
	now time.Time
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	store, err := cache.Open(t.Context(), t.TempDir(), cache.Options{Now: func() time.Time { return s.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s.Artifacts = &Artifacts{Store: store, Names: func(context.Context) []string { return []string{"paper-2026"} }}
	return s
}

// tag tags one node with a file of the given content, and a number.
func (s *shelf) tag(content string) cache.Object {
	s.t.Helper()
	o, err := s.Store.IngestBytes(s.t.Context(), []byte(content))
	if err != nil {
		s.t.Fatal(err)
	}
	outputs := fmt.Sprintf(`{"file":{"$file":{"digest":%q,"size":%d,"name":"f"}},"n":%d}`, o.Digest, o.Size, len(content))
	e := &cache.Entry{Key: cache.Key(o.Digest), Kind: "test", Outputs: []byte(outputs), Objects: []cache.Object{o}, Preimage: []byte("x")}
	if _, err := s.Store.PublishTag(s.t.Context(), "paper-2026", map[string]*cache.Entry{"command.a": e}, "test"); err != nil {
		s.t.Fatal(err)
	}
	s.now = s.now.Add(time.Second)
	return o
}

func (s *shelf) find(tag, node, output string, want cache.Digest) (stages.Artifact, error) {
	return s.Find(s.t.Context(), stages.ArtifactName{Tag: tag, Node: node, Output: output}, want)
}

// text is what a found value is written as.
func text(t *testing.T, a stages.Artifact) string {
	t.Helper()
	raw, err := stages.EncodeJSON(a.Value)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestFindArtifact(t *testing.T) {
	s := newShelf(t)
	first := s.tag("first")
	old, err := s.find("paper-2026", "command.a", "file", cache.Digest{})
	if err != nil || !strings.Contains(text(t, old), first.Digest.String()) || old.Key != cache.Key(first.Digest) {
		t.Fatalf("%#v, %v", old, err)
	}
	second := s.tag("second")
	now, err := s.find("paper-2026", "command.a", "file", cache.Digest{})
	if err != nil || !strings.Contains(text(t, now), second.Digest.String()) || now.Digest == old.Digest {
		t.Errorf("after it moved: %#v, %v", now, err)
	}
	if pinned, err := s.find("paper-2026", "command.a", "file", old.Digest); err != nil || pinned.Digest != old.Digest {
		t.Errorf("pinned: %+v, %v", pinned, err)
	}
	if n, err := s.find("paper-2026", "command.a", "n", cache.Digest{}); err != nil || text(t, n) != "6" {
		t.Errorf("number: %#v, %v", n, err)
	}
}

func TestArtifactErrors(t *testing.T) {
	s := newShelf(t)
	o := s.tag("content")
	pinned := cache.DigestOf([]byte("another"))
	for _, test := range []struct {
		tag, node, output string
		want              cache.Digest
		says              []string
	}{
		{"paper-2062", "command.a", "file", cache.Digest{}, []string{`no tag "paper-2062"`, `Did you mean "paper-2026"?`, "nbpipe cache tag paper-2062 EXPERIMENT"}},
		{"a/b", "command.a", "file", cache.Digest{}, []string{"no valid name"}},
		{"paper-2026", "command.b", "file", cache.Digest{}, []string{`no node "command.b"`, "command.a"}},
		{"paper-2026", "command.a", "fiel", cache.Digest{}, []string{`no output "fiel"`, `Did you mean "file"?`, "file, n"}},
		{"paper-2026", "command.a", "file", pinned, []string{`"paper-2026"`, pinned.String(), "nbpipe.lock"}},
	} {
		_, err := s.find(test.tag, test.node, test.output, test.want)
		for _, want := range test.says {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s, %s, %s: %v, want %q in it", test.tag, test.node, test.output, err, want)
			}
		}
	}
	if err := s.Store.MarkBad(t.Context(), o.Digest, "test"); err != nil {
		t.Fatal(err)
	}
	_, err := s.find("paper-2026", "command.a", "file", cache.Digest{})
	if err == nil || !strings.Contains(err.Error(), `content of tag "paper-2026" is lost`) || !strings.Contains(err.Error(), "nbpipe cache tag paper-2026 EXPERIMENT") {
		t.Errorf("lost content: %v", err)
	}
	if n, err := s.find("paper-2026", "command.a", "n", cache.Digest{}); err != nil || text(t, n) != "7" {
		t.Errorf("what needs no content: %#v, %v", n, err)
	}
}

// asked is a team that is asked for one key.
type asked struct{ keys []cache.Key }

func (a *asked) Pull(_ context.Context, keys []cache.Key) { a.keys = append(a.keys, keys...) }
func (*asked) Publish(...cache.Key)                       {}

func TestArtifactAsksTeam(t *testing.T) {
	s := newShelf(t)
	team := &asked{}
	s.Team = team
	_, err := s.find("v", "command.a", "file", cache.Digest{})
	if len(team.keys) != 1 || team.keys[0] != cache.TagKey("v") || err == nil || !strings.Contains(err.Error(), "in the team cache") {
		t.Errorf("asked for %v, %v", team.keys, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Find(ctx, stages.ArtifactName{Tag: "v"}, cache.Digest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
