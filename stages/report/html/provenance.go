package html

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
)

// source is a dataset that the hypotheses were made from.
type source struct {
	Address     string
	Description string
	URLs        []link
	SHA256      string
	Size        string
	Licence     string
	Files       []artifact // where the node is no single file
}

// link is a URL; only http and https ones can be followed.
type link struct {
	Text string
	Href string // "" if it is not to be followed
}

// nodeView is a node in the list of everything the page was made from.
type nodeView struct {
	Address    string
	Kind       string
	Version    int
	Key        string
	ShortKey   string
	Seed       string
	Attributes string // JSON
	Files      []artifact
}

// allNodes lists the hypotheses and everything upstream once, upstream first.
func allNodes(hypotheses []stages.NodeInfo) []stages.NodeInfo {
	var out []stages.NodeInfo
	seen := map[string]bool{}
	add := func(n stages.NodeInfo) {
		if !seen[n.Address] {
			seen[n.Address] = true
			out = append(out, n)
		}
	}
	for _, h := range hypotheses {
		for _, u := range h.Upstream {
			add(u)
		}
	}
	for _, h := range hypotheses {
		add(h)
	}
	return out
}

func isDataset(n stages.NodeInfo) bool { return strings.HasPrefix(n.Kind, "dataset ") }

// sources lists the datasets among nodes.
func sources(nodes []stages.NodeInfo) []source {
	var out []source
	for _, n := range nodes {
		if !isDataset(n) {
			continue
		}
		attrs, _ := decode(n.Attributes).(map[string]any)
		s := source{Address: clean(n.Address), Description: clean(n.Description), SHA256: clip(text(attrs["sha256"]), 80)}
		for _, k := range []string{"url", "urls", "mirrors"} {
			s.URLs = append(s.URLs, links(attrs[k])...)
		}
		for _, k := range []string{"licence", "license"} {
			if s.Licence == "" {
				s.Licence = text(attrs[k])
			}
		}
		s.Files = artifacts("", decode(n.Outputs))
		if len(s.Files) > 0 {
			s.Size = s.Files[0].Size
			if s.SHA256 == "" && len(s.Files) == 1 && !s.Files[0].Tree {
				s.SHA256 = s.Files[0].Digest
			}
		}
		if len(s.Files) == 1 && s.Files[0].Digest == s.SHA256 {
			s.Files = nil
		}
		out = append(out, s)
	}
	return out
}

func text(v any) string {
	s, _ := v.(string)
	return clean(s)
}

func links(v any) []link {
	var out []link
	if s, ok := v.(string); ok {
		l := link{Text: clip(clean(s), 500)}
		if u, err := url.Parse(s); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
			l.Href = s
		}
		return append(out, l)
	}
	for _, m := range members(v) {
		out = append(out, links(m.value)...)
	}
	return out
}

// ownFiles lists the files of the experiment itself: what attributes name and
// no node made.
func ownFiles(nodes []stages.NodeInfo) []artifact {
	made := produced(nodes)
	seen := map[cache.Digest]bool{}
	var out []artifact
	for _, n := range nodes {
		for _, a := range artifacts("", decode(n.Attributes)) {
			d := a.object.Digest
			if !made[d] && !seen[d] {
				seen[d] = true
				a.Path = clean(n.Address) + " " + a.Path
				out = append(out, a)
			}
		}
	}
	return out
}

// produced is the content of all outputs.
func produced(nodes []stages.NodeInfo) map[cache.Digest]bool {
	made := map[cache.Digest]bool{}
	for _, n := range nodes {
		for _, a := range artifacts("", decode(n.Outputs)) {
			made[a.object.Digest] = true
		}
	}
	return made
}

func viewNode(n stages.NodeInfo) nodeView {
	attrs := decode(n.Attributes)
	v := nodeView{
		Address: clean(n.Address), Kind: clean(n.Kind), Version: n.Version, Key: n.Key.String(), ShortKey: n.Key.Short(),
		Seed: seeds(attrs), Files: artifacts("", decode(n.Outputs)),
	}
	if len(members(attrs)) > 0 {
		v.Attributes = pretty(shortDigests(attrs))
	}
	return v
}

// seeds joins the attributes named seed, wherever they are nested.
func seeds(v any) string {
	var found []string
	for _, m := range members(v) {
		if m.key == "seed" && m.value != nil && isScalar(m.value) {
			if n, ok := m.value.(json.Number); ok {
				found = append(found, clip(string(n), 40))
			} else {
				found = append(found, scalarCell(m.value, -1).Text)
			}
			continue
		}
		if s := seeds(m.value); s != "" {
			found = append(found, s)
		}
	}
	return strings.Join(found, ", ")
}

// shortDigests writes files in attributes as a person would name them.
func shortDigests(v any) any {
	if a, ok := asArtifact(v); ok {
		return strings.TrimSpace(a.Name + " sha256:" + a.Digest)
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = shortDigests(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = shortDigests(v[i])
		}
		return out
	}
	return v
}

// command is a line for a shell, and what it does.
type command struct{ Line, Words string }

// commands say how to make the page again. The experiment's folder is not known
// here, since a page does not depend on where it was made.
func commands(hypotheses []stages.NodeInfo) []command {
	out := []command{{"nbpipe run EXPERIMENT", "Computes what has no trusted result yet, and the verdicts."}}
	if len(hypotheses) == 0 {
		return out
	}
	var names []string
	for _, h := range hypotheses {
		names = append(names, shellQuote(clean(h.Address)))
	}
	few := strings.Join(names[:min(len(names), 6)], " ")
	return append(out,
		command{"nbpipe verify EXPERIMENT " + few, "Runs these again and compares the digests of their outputs."},
		command{"nbpipe show EXPERIMENT " + names[0] + " --json", "Prints every output with all its digits."},
		command{"nbpipe why EXPERIMENT " + names[0], "Names what changed when the key is another one."})
}

func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r == '.' || r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
