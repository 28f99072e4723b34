package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Object names stored content: a file, or a folder by its tree manifest.
type Object struct {
	Digest Digest `json:"digest"`         // of the bytes, or of the manifest
	Size   int64  `json:"size"`           // bytes; of a tree, all files together
	Tree   bool   `json:"tree,omitempty"` // Digest is a tree manifest's
	Exec   bool   `json:"exec,omitempty"` // a file with the executable bit
}

// EntryVersion is the version of an entry's stored form.
const EntryVersion = 1

// Entry is the result of one complete, successful run (invariant I9), from
// which everything is found again: outputs, the content they name, and the
// trace of fields that made the key.
type Entry struct {
	Version  int             `json:"version"`
	Key      Key             `json:"key"`
	Kind     string          `json:"kind"`     // such as "dataset fetch"
	Outputs  json.RawMessage `json:"outputs"`  // canonical JSON; declared outputs only
	Objects  []Object        `json:"objects"`  // everything Outputs names, sorted by digest, unique
	Preimage []byte          `json:"preimage"` // see DecodePreimage
	Record   Record          `json:"record"`   // how the run went; no output, never compared
}

// Record tells how a run went. It holds no secret, user, host or absolute path.
type Record struct {
	Started  time.Time          `json:"started"`
	Seconds  float64            `json:"seconds"`
	Build    string             `json:"build,omitempty"`   // of nbpipe
	Why      []string           `json:"why,omitempty"`     // why it ran
	Metrics  map[string]float64 `json:"metrics,omitempty"` // such as bytes fetched
	Log      *Object            `json:"log,omitempty"`     // captured output of the stage
	Warnings []string           `json:"warnings,omitempty"`
	Facts    map[string]string  `json:"facts,omitempty"` // what was found on the machine: versions, device models
}

// OutputDigest identifies the declared outputs: entries of one key whose
// OutputDigest differs diverge (invariant I11).
func (e *Entry) OutputDigest() Digest { return DigestOf(WithoutNames(e.Outputs)) }

// Content lists everything that the entry needs: what its outputs name, and the log.
func (e *Entry) Content() []Object {
	if e.Record.Log == nil {
		return e.Objects
	}
	return append(slices.Clone(e.Objects), *e.Record.Log)
}

// WithoutNames leaves out what files are called: a name is for people, is part
// of no key, and makes no other result.
func WithoutNames(outputs json.RawMessage) []byte {
	dec := json.NewDecoder(bytes.NewReader(outputs))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return outputs
	}
	b, err := json.Marshal(dropNames(v))
	if err != nil {
		return outputs
	}
	return b
}

func dropNames(v any) any {
	switch v := v.(type) {
	case map[string]any:
		_, hasDigest := v["digest"]
		_, hasSize := v["size"]
		if hasDigest && hasSize {
			delete(v, "name")
		}
		for k := range v {
			v[k] = dropNames(v[k])
		}
	case []any:
		for i := range v {
			v[i] = dropNames(v[i])
		}
	}
	return v
}

// Encode returns the bytes that are stored, and later signed, exactly as they are.
func (e *Entry) Encode() ([]byte, error) {
	e.Version = EntryVersion
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encoding the entry of key %s: %w", e.Key.Short(), err)
	}
	return b, nil
}

// DecodeEntry reads an entry and checks that it is one of the given key.
func DecodeEntry(key Key, b []byte) (*Entry, error) {
	var e Entry
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&e); err != nil {
		return nil, fmt.Errorf("entry of key %s: %w", key.Short(), err)
	}
	switch {
	case e.Version != EntryVersion:
		return nil, fmt.Errorf("entry of key %s: version %d, this build reads %d", key.Short(), e.Version, EntryVersion)
	case e.Key != key:
		return nil, fmt.Errorf("entry of key %s names key %s", key.Short(), e.Key.Short())
	case len(e.Outputs) == 0:
		return nil, errors.New("entry of key " + key.Short() + " has no outputs")
	}
	return &e, nil
}
