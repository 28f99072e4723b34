package main

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/nbpipe/nbpipe/pipeline/reference"
)

var writeReference = flag.Bool("write-reference", false, "write docs/reference.md")

// TestReference holds docs/reference.md to what the code says.
func TestReference(t *testing.T) {
	const path = "../../docs/reference.md"
	var b bytes.Buffer
	if err := reference.Markdown(&b, described()); err != nil {
		t.Fatal(err)
	}
	if *writeReference {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(was, b.Bytes()) {
		t.Error("docs/reference.md is not what the code says; write it again: go test ./cmd/nbpipe -run TestReference -write-reference")
	}
}

// TestEverythingIsDocumented wants a line on every attribute and output.
func TestEverythingIsDocumented(t *testing.T) {
	for _, kind := range kinds().All() {
		k := reference.Of(kind)
		if k.Doc == "" {
			t.Errorf("%s: no Doc", kind.Name())
		}
		documented(t, kind.Name(), k.Attributes)
		known := map[string]bool{}
		for _, o := range k.Outputs {
			known[o.Name] = true
			if o.Doc == "" {
				t.Errorf("%s: Kind.Outputs says nothing of output %s", kind.Name(), o.Name)
			}
		}
		for name := range kind.Outputs {
			if !known[name] {
				t.Errorf("%s: Kind.Outputs has %s, which is no output", kind.Name(), name)
			}
		}
	}
	for _, k := range executorKinds() {
		e := reference.OfExecutor(k)
		documented(t, "executor "+e.Type, e.Attributes)
	}
	for _, f := range reference.Functions() {
		if f.Doc == "" {
			t.Errorf("function %s: no Description", f.Name)
		}
	}
}

func documented(t *testing.T, of string, all []reference.Attribute) {
	for _, a := range all {
		if a.Doc == "" {
			t.Errorf("%s: attribute %s has no doc", of, a.Name)
		}
		documented(t, of+"."+a.Name, a.Fields)
	}
}
