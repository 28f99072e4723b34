package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/nbpipe/nbpipe/cache"
)

// Manifest remembers the last key of every node of an experiment: the baseline
// of "why", and a root of garbage collection. It is stored as a ref.
type Manifest struct {
	Experiment string                `json:"experiment"` // folder or file, as on this machine
	Updated    time.Time             `json:"updated"`
	Nodes      map[string]NodeRecord `json:"nodes"`

	recorded map[string]NodeRecord // by this process
}

// NodeRecord is what a manifest knows of a node.
type NodeRecord struct {
	Key cache.Key `json:"key"`
}

// ManifestName is the name of the ref that holds the manifest of an experiment.
func ManifestName(experiment string) string {
	return "experiment-" + cache.DigestOf([]byte(experiment)).Short()
}

// LoadManifest reads the manifest of an experiment; a missing or unreadable one
// is empty: it only costs an explanation.
func LoadManifest(store *cache.Local, experiment string) *Manifest {
	raw, err := store.Ref(ManifestName(experiment))
	if err != nil {
		raw = nil
	}
	return parseManifest(raw, experiment)
}

func parseManifest(raw []byte, experiment string) *Manifest {
	m := &Manifest{}
	if json.Unmarshal(raw, m) != nil || m.Experiment != experiment {
		m = &Manifest{Experiment: experiment}
	}
	if m.Nodes == nil {
		m.Nodes = map[string]NodeRecord{}
	}
	m.recorded = map[string]NodeRecord{}
	return m
}

// Record remembers a node's key.
func (m *Manifest) Record(address string, key cache.Key) {
	m.Nodes[address] = NodeRecord{Key: key}
	m.recorded[address] = m.Nodes[address]
}

// Save writes what was recorded over what is there now: other runs of the same
// experiment may have written meanwhile. With exists, the nodes for which it is
// false are forgotten: they left the experiment, and their results may go.
func (m *Manifest) Save(store *cache.Local, now time.Time, exists func(address string) bool) error {
	err := store.UpdateRef(ManifestName(m.Experiment), func(old []byte) ([]byte, error) {
		current := parseManifest(old, m.Experiment)
		maps.Copy(current.Nodes, m.recorded)
		if exists != nil {
			maps.DeleteFunc(current.Nodes, func(address string, _ NodeRecord) bool { return !exists(address) })
		}
		current.Updated = now
		return json.Marshal(current)
	})
	if err != nil {
		return fmt.Errorf("remembering the keys of this run: %w", err)
	}
	return nil
}

// Roots lists the keys that the manifests of wanted experiments name, and those
// of tags.
func Roots(store *cache.Local, wanted func(experiment string) bool) ([]cache.Key, error) {
	names, err := store.Refs()
	if err != nil {
		return nil, err
	}
	var out []cache.Key
	for _, name := range names {
		if tag, ok := strings.CutPrefix(name, cache.TagRefs); ok {
			out = append(out, cache.TagKey(tag)) // whatever is in the ref
			continue
		}
		raw, err := store.Ref(name)
		if err != nil {
			continue
		}
		var m Manifest
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, fmt.Errorf("ref %s: %w", name, err)
		}
		if !wanted(m.Experiment) {
			continue
		}
		for _, n := range m.Nodes {
			out = append(out, n.Key)
		}
	}
	return out, nil
}
