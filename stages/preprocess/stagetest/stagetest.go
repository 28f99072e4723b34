package stagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
)

// Store holds inputs by digest.
type Store map[cache.Digest][]byte

// File adds bytes and returns the file value that a node would see.
func (s Store) File(name string, data []byte) stages.File {
	d := cache.Digest(sha256.Sum256(data))
	s[d] = data
	return stages.File{Object: cache.Object{Digest: d, Size: int64(len(data))}, Name: name}
}

// Folder adds a folder of files, by path, and returns its value.
func (s Store) Folder(tb testing.TB, name string, files map[string][]byte) stages.File {
	tb.Helper()
	all, err := json.Marshal(files)
	if err != nil {
		tb.Fatal(err)
	}
	f := s.File(name, all)
	f.Tree = true
	return f
}

// Table adds a table and returns its value.
func (s Store) Table(tb testing.TB, t *table.Table) cty.Value {
	tb.Helper()
	var b bytes.Buffer
	if err := t.Encode(&b); err != nil {
		tb.Fatal(err)
	}
	return stages.TableValue(stages.Table{File: s.File("table", b.Bytes())})
}

// ReadAll implements stages.InputStore.
func (s Store) ReadAll(_ context.Context, f stages.File) ([]byte, error) {
	data, ok := s[f.Digest]
	if !ok {
		return nil, fmt.Errorf("no input %s", f.Digest)
	}
	return data, nil
}

// Open implements stages.InputStore.
func (s Store) Open(ctx context.Context, f stages.File) (io.ReadCloser, error) {
	data, err := s.ReadAll(ctx, f)
	return io.NopCloser(bytes.NewReader(data)), err
}

// Materialise implements stages.InputStore.
func (s Store) Materialise(ctx context.Context, f stages.File, dest string) error {
	data, err := s.ReadAll(ctx, f)
	if err != nil {
		return err
	}
	if !f.Tree {
		return os.WriteFile(dest, data, 0o644)
	}
	var files map[string][]byte
	if err := json.Unmarshal(data, &files); err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(dest, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

type silent struct{}

func (silent) Report(int64, int64, string) {}

// Result is what a stage made.
type Result struct {
	Values   map[string]cty.Value
	Files    map[string][]byte // by output; a folder's by output/path
	Warnings []string
}

// Number returns a number inside an output, by members; null is NaN-like: ok is false.
func (r *Result) Number(tb testing.TB, output string, members ...string) (float64, bool) {
	tb.Helper()
	v, ok := r.Values[output]
	if !ok {
		tb.Fatalf("no output %q", output)
	}
	for _, m := range members {
		if !v.Type().HasAttribute(m) {
			tb.Fatalf("%s has no member %q: %#v", output, m, v.Type())
		}
		v = v.GetAttr(m)
	}
	if v.IsNull() {
		return 0, false
	}
	f, _ := v.AsBigFloat().Float64()
	return f, true
}

// Table decodes an output that is a table.
func (r *Result) Table(tb testing.TB, output string) *table.Table {
	tb.Helper()
	t, err := table.Decode(r.Files[output])
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// Attributes fills in defaults and converts, as the language does.
func Attributes(kind *stages.Kind, given map[string]cty.Value) (stages.Attrs, error) {
	for name := range given {
		if _, ok := kind.Attribute(name); !ok {
			return nil, fmt.Errorf("no attribute %q", name)
		}
	}
	attrs := stages.Attrs{}
	for _, a := range kind.Attributes {
		v, ok := given[a.Name]
		if !ok || v.IsNull() {
			if !a.Optional {
				return nil, fmt.Errorf("attribute %q is missing", a.Name)
			}
			attrs[a.Name] = a.Default
			continue
		}
		converted, err := convert.Convert(v, a.Type)
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", a.Name, err)
		}
		attrs[a.Name] = converted
	}
	return attrs, nil
}

// Problems are what a kind's Check says about attributes.
func Problems(tb testing.TB, kind *stages.Kind, given map[string]cty.Value) []stages.Problem {
	tb.Helper()
	attrs, err := Attributes(kind, given)
	if err != nil {
		tb.Fatal(err)
	}
	return kind.Zero().(stages.Checker).Check(attrs)
}

// Run runs a stage. It fails the test when outputs do not fit their declared
// types; the stage's own error is returned.
func Run(tb testing.TB, kind *stages.Kind, store Store, given map[string]cty.Value) (*Result, error) {
	tb.Helper()
	attrs, err := Attributes(kind, given)
	if err != nil {
		return nil, err
	}
	zero := kind.Zero()
	if c, ok := zero.(stages.Checker); ok {
		for _, p := range c.Check(attrs) {
			if !p.Warning {
				return nil, fmt.Errorf("%s: %s: %s", p.Attribute, p.Summary, p.Detail)
			}
		}
	}
	types := zero.OutputTypes(attrs)
	stage, err := kind.Fill(attrs)
	if err != nil {
		return nil, err
	}
	out := stages.NewOutput()
	in := &stages.Input{
		Address: "test", Scratch: tb.TempDir(), Seed: 777, CPUs: 2, Log: io.Discard, Progress: silent{}, Store: store,
	}
	if err := stage.Run(tb.Context(), in, out); err != nil {
		return nil, err
	}
	return collect(tb, types, out, in.Scratch), nil
}

// read takes the bytes of an output.
func (r *Result) read(output, path string) error {
	return filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(path, p)
		r.Files[filepath.ToSlash(filepath.Join(output, rel))] = data
		return err
	})
}

func collect(tb testing.TB, types map[string]cty.Type, out *stages.Output, scratch string) *Result {
	tb.Helper()
	r := &Result{Values: map[string]cty.Value{}, Files: map[string][]byte{}, Warnings: out.Warnings}
	for name, f := range out.Files {
		if !strings.HasPrefix(f.Path, scratch) {
			tb.Errorf("output %s lies outside the scratch folder: %s", name, f.Path)
		}
		if err := r.read(name, f.Path); err != nil {
			tb.Fatal(err)
		}
		want := stages.FileType
		if f.Table {
			want = stages.TableType
		}
		if t, ok := types[name]; !ok || !t.Equals(want) {
			tb.Errorf("output %s is a %s, declared as %#v", name, want.FriendlyName(), t)
		}
	}
	for name, v := range out.Values {
		t, ok := types[name]
		if !ok {
			tb.Errorf("output %s is not declared", name)
			continue
		}
		converted, err := convert.Convert(v, t)
		if err != nil {
			tb.Errorf("output %s: %v", name, err)
		}
		if _, err := stages.EncodeJSON(converted); err != nil {
			tb.Errorf("output %s: %v", name, err)
		}
		r.Values[name] = converted
	}
	for name := range types {
		if _, isFile := out.Files[name]; !isFile && r.Values[name] == cty.NilVal {
			tb.Errorf("declared output %s was not made", name)
		}
	}
	return r
}
