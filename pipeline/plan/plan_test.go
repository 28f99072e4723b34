package plan

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
)

type sample struct {
	Text   string      `attr:"text,key"`
	Seed   uint64      `attr:"seed,key" default:"777"`
	Limit  *float64    `attr:"limit,key,optional"`
	File   stages.File `attr:"file,key,optional"`
	Mirror string      `attr:"mirror,optional"`
	Token  string      `attr:"token,optional,sensitive"`
}

func (*sample) OutputTypes(stages.Attrs) map[string]cty.Type             { return nil }
func (*sample) Run(context.Context, *stages.Input, *stages.Output) error { return nil }

var sampleKind = stages.Define[sample](stages.Kind{Block: "dataset", Type: "sample", Version: 1})

func keyOf(t *testing.T, k *stages.Kind, attrs stages.Attrs) cache.Key {
	t.Helper()
	p, err := Ingredients{Kind: k, Attrs: attrs}.Preimage()
	if err != nil {
		t.Fatal(err)
	}
	return p.Key()
}

func with(extra stages.Attrs) stages.Attrs {
	attrs := stages.Attrs{"text": cty.StringVal("x")}
	for k, v := range extra {
		attrs[k] = v
	}
	return attrs
}

func fileOf(source string) cty.Value {
	return stages.FileValue(stages.File{Object: cache.Object{Digest: cache.DigestOf([]byte("content")), Size: 7}, Name: filepath.Base(source), Source: source})
}

func TestModelOfGPUInKey(t *testing.T) {
	seen := map[cache.Key]bool{keyOf(t, sampleKind, with(nil)): true}
	for _, model := range []string{"A100", "H100"} {
		p, err := Ingredients{Kind: sampleKind, Attrs: with(nil), GPUModel: model}.Preimage()
		if err != nil || seen[p.Key()] {
			t.Errorf("%s has the key of another: %v", model, err)
		}
		seen[p.Key()] = true
	}
	if p, _ := (Ingredients{Kind: sampleKind, Attrs: with(nil), GPUModel: ""}).Preimage(); !seen[p.Key()] || strings.Contains(string(p.Bytes()), "gpu_model") {
		t.Error("keys change where no model is asked for")
	}
}

func TestI7_KeyEncoding(t *testing.T) {
	base := keyOf(t, sampleKind, with(nil))
	same := map[string]stages.Attrs{
		"default written out": {"seed": cty.NumberIntVal(777)},
		"null":                {"seed": cty.NullVal(cty.Number), "limit": cty.NullVal(cty.Number)},
		"not a key attribute": {"mirror": cty.StringVal("elsewhere")},
	}
	for name, extra := range same {
		if keyOf(t, sampleKind, with(extra)) != base {
			t.Errorf("%s: the key differs", name)
		}
	}
	other := map[string]stages.Attrs{
		"seed": {"seed": cty.NumberIntVal(1)}, "zero": {"limit": cty.NumberIntVal(0)}, "text": {"text": cty.StringVal("x ")},
		"number as text": {"text": cty.StringVal("777")},
	}
	for name, extra := range other {
		if keyOf(t, sampleKind, with(extra)) == base {
			t.Errorf("%s: the key is the same", name)
		}
	}
	newer := *sampleKind
	newer.Version = 2
	if keyOf(t, &newer, with(nil)) == base {
		t.Error("a new version of the implementation has the same key")
	}
}

func TestI8_KeysHoldNoPath(t *testing.T) {
	a := keyOf(t, sampleKind, with(stages.Attrs{"file": fileOf("/home/a/x.txt")}))
	b := keyOf(t, sampleKind, with(stages.Attrs{"file": fileOf("/srv/b/renamed")}))
	if a != b {
		t.Error("the place or name of a file is in the key")
	}
}

func TestI21_SecretsAreInNoKey(t *testing.T) {
	secret := stages.Attrs{"token": cty.StringVal("hunter2").Mark(stages.Sensitive)}
	p, err := Ingredients{Kind: sampleKind, Attrs: with(secret)}.Preimage()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(p.Bytes()), "hunter2") || p.Key() != keyOf(t, sampleKind, with(nil)) {
		t.Error("a secret is in the key")
	}
	leak := stages.Attrs{"text": cty.StringVal("hunter2").Mark(stages.Sensitive)}
	if _, err := (Ingredients{Kind: sampleKind, Attrs: leak}).Preimage(); err == nil {
		t.Error("a sensitive value was taken into a key")
	}
}

func TestExplain(t *testing.T) {
	before, _ := Ingredients{Kind: sampleKind, Attrs: with(nil)}.Preimage()
	newer := *sampleKind
	newer.Version = 2
	after, _ := Ingredients{Kind: &newer, Attrs: with(stages.Attrs{"text": cty.StringVal("y"), "seed": cty.NumberIntVal(1)})}.Preimage()
	got, err := Explain(before.Bytes(), after.Bytes(), 10)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"the implementation's version: 1 -> 2", "seed: (not set) -> 1", `text: "x" -> "y"`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got, _ := Explain(before.Bytes(), after.Bytes(), 1); len(got) != 2 || got[1] != "and 2 more fields" {
		t.Errorf("limited: %q", got)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	l, err := LoadLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	digest := strings.Repeat("ab", 32)
	for _, address := range []string{`dataset.x["a\"b"]`, "dataset.a"} {
		if err := l.Pin(address, "https://example.org/${x}", digest); err != nil {
			t.Fatal(err)
		}
	}
	again, err := LoadLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(l.Entries, again.Entries); d != "" {
		t.Error(d)
	}
	if v, ok := again.Pinned("dataset.a", "https://example.org/${x}"); !ok || v != digest {
		t.Errorf("pinned %q, %v", v, ok)
	}
	if _, ok := again.Pinned("dataset.a", "https://example.org/other"); ok {
		t.Error("the digest of another URL was taken")
	}
	for name, text := range map[string]string{"syntax": "locked {", "block": `x "y" {}`, "digest": `locked "a" { sha256 = "short" }`} {
		if err := os.WriteFile(filepath.Join(dir, LockName), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadLock(dir); err == nil {
			t.Errorf("%s: a broken lock file was read", name)
		}
	}
}

// Two runs of one experiment at once: no pin is lost, and who was overtaken knows.
func TestLockKeepsWhatOthersPin(t *testing.T) {
	dir := t.TempDir()
	load := func() *Lock {
		l, err := LoadLock(dir)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	a, b := load(), load()
	value := strings.Repeat("ab", 32)
	for address, l := range map[string]*Lock{"dataset.a": a, "dataset.b": b} {
		if err := l.Pin(address, "u", value); err != nil {
			t.Fatal(err)
		}
	}
	if c := load(); len(c.Entries) != 2 {
		t.Errorf("the file holds %v", c.Entries)
	}
	_, okA := a.Digest()
	_, okB := b.Digest()
	if okA == okB {
		t.Errorf("who was overtaken knows: %v, %v", okA, okB)
	}
}

// Two runs of one experiment at once: the manifest keeps what each of them recorded.
func TestManifestKeepsWhatOthersRecord(t *testing.T) {
	store, err := cache.Open(t.Context(), t.TempDir(), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	a, b := LoadManifest(store, "/x"), LoadManifest(store, "/x")
	a.Record("command.a", cache.Key{1})
	b.Record("command.b", cache.Key{2})
	now := time.Now()
	if err := errors.Join(a.Save(store, now, nil), b.Save(store, now, nil)); err != nil {
		t.Fatal(err)
	}
	c := LoadManifest(store, "/x")
	if len(c.Nodes) != 2 {
		t.Errorf("%v", c.Nodes)
	}
	if err := c.Save(store, now, func(address string) bool { return address == "command.b" }); err != nil {
		t.Fatal(err)
	}
	if d := LoadManifest(store, "/x"); len(d.Nodes) != 1 {
		t.Errorf("after one left the experiment: %v", d.Nodes)
	}
}

// Roots are of experiments and of tags, whatever is in a tag's ref.
func TestRoots(t *testing.T) {
	store, err := cache.Open(t.Context(), t.TempDir(), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	m := LoadManifest(store, "/x")
	m.Record("command.a", cache.Key{1})
	if err := errors.Join(m.Save(store, time.Now(), nil), store.SetRef(cache.TagRefs+"v", []byte("[]"))); err != nil {
		t.Fatal(err)
	}
	for wanted, want := range map[bool][]cache.Key{true: {{1}, cache.TagKey("v")}, false: {cache.TagKey("v")}} {
		got, err := Roots(store, func(string) bool { return wanted })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("experiment wanted: %v: %v, %v", wanted, got, err)
		}
	}
}

func TestProbes(t *testing.T) {
	dir := t.TempDir()
	store, err := cache.Open(t.Context(), filepath.Join(dir, "cache"), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	tool := filepath.Join(dir, "tool")
	write := func(text string) {
		if err := os.WriteFile(tool, []byte("#!/bin/sh\necho "+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	environ := []string{"PATH=" + dir + ":/bin:/usr/bin"}
	probes := map[string]stages.Probe{"tool": {Argv: []string{"tool", "--version"}}}
	if _, ok, err := NewProbes(store, environ, nil, false).Probe(t.Context(), probes); ok || err != nil {
		t.Errorf("a probe was run by a plan: %v, %v", ok, err)
	}
	p := NewProbes(store, environ, nil, true)
	out, ok, err := p.Probe(t.Context(), probes)
	if err != nil || !ok || out["tool"] != "one" {
		t.Fatalf("%v %v %v", out, ok, err)
	}
	if err := p.Save(); err != nil {
		t.Fatal(err)
	}
	if out, ok, _ := NewProbes(store, environ, nil, false).Probe(t.Context(), probes); !ok || out["tool"] != "one" {
		t.Error("the probe was not remembered")
	}
	write("two!")
	if _, ok, _ := NewProbes(store, environ, nil, false).Probe(t.Context(), probes); ok {
		t.Error("a changed executable was not noticed")
	}
	if _, _, err := p.Probe(t.Context(), map[string]stages.Probe{"x": {Argv: []string{"no-such-program"}}}); err == nil || !strings.Contains(err.Error(), "no program \"no-such-program\" in PATH") {
		t.Errorf("missing program: %v", err)
	}
}
