package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/run"
)

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [EXPERIMENT] NODE...",
		Short: "Run nodes again and compare what comes out with their results",
		RunE:  func(cmd *cobra.Command, args []string) error { return a.verify(cmd.Context(), args) },
	}
}

// verifyJSON is a line of `verify --json`.
type verifyJSON struct {
	Node   string   `json:"node"`
	Same   bool     `json:"same"`
	Differ []string `json:"differ,omitempty"` // outputs
	Error  string   `json:"error,omitempty"`
	Note   string   `json:"note,omitempty"`

	// Of results that others gave (cache verify --rerun).
	Signer string     `json:"signer,omitempty"`
	Signed *time.Time `json:"signed,omitempty"` // by the server's clock
}

func (a *app) verify(ctx context.Context, args []string) error {
	s, err := a.open(ctx, args, true)
	if err != nil {
		return err
	}
	defer s.close()
	if len(s.target.addresses) == 0 {
		return withCode(exitUsage, errNoNode)
	}
	v := a.newView()
	defer v.close()
	v.phase("reading " + s.target.experiment)
	if err := s.load(ctx, v.event); err != nil {
		return err
	}
	local, machine, done, err := s.executor()
	if err != nil {
		return err
	}
	defer done()
	var codes []int
	for _, w := range s.wanted {
		result := s.verifyNode(ctx, local, machine, s.engine.Nodes[w.Index], v)
		codes = append(codes, a.printVerified(v, result))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if code := worst(codes...); code != exitOK {
		return silently(code)
	}
	return nil
}

func (s *session) verifyNode(ctx context.Context, x executor.Executor, m run.Machine, n *run.Node, v *view) verifyJSON {
	result := verifyJSON{Node: n.Address}
	if n.Entry == nil {
		result.Error = "it has no result to compare with; run it first"
		return result
	}
	v.phase("running " + n.Address + " again")
	again, err := s.engine.Rerun(ctx, x, m, n)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	result.Differ = differing(n.Entry, again)
	result.Same = len(result.Differ) == 0
	if !result.Same && !n.Kind.Reproducible {
		result.Note = n.Kind.Name() + " does not promise equal bytes"
	}
	return result
}

// differing names the outputs in which two entries differ.
func differing(a, b *cache.Entry) []string {
	if a.OutputDigest() == b.OutputDigest() {
		return nil
	}
	var before, after map[string]json.RawMessage
	if errors.Join(json.Unmarshal(a.Outputs, &before), json.Unmarshal(b.Outputs, &after)) != nil {
		return []string{"all outputs"}
	}
	var out []string
	for _, k := range sortedKeys(after) {
		if !bytes.Equal(cache.WithoutNames(before[k]), cache.WithoutNames(after[k])) {
			out = append(out, fmt.Sprintf("%s: %s -> %s", k, clip(string(before[k]), 120), clip(string(after[k]), 120)))
		}
	}
	for _, k := range sortedKeys(before) {
		if _, ok := after[k]; !ok {
			out = append(out, k+": gone")
		}
	}
	slices.Sort(out)
	return out
}

func (a *app) printVerified(v *view, r verifyJSON) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erase()
	t := a.terminal(a.stdout)
	code := exitOK
	node := r.Node
	if r.Signer != "" {
		node += "  (by " + cache.Source{Signer: r.Signer, Time: *r.Signed}.String() + ")"
	}
	switch {
	case r.Error != "":
		code = exitStage
		a.verified(r, t.paint(red, "failed")+"  "+node+": "+r.Error)
	case r.Same:
		a.verified(r, t.paint(green, "same")+"    "+node)
	default:
		code = exitDifference
		line := t.paint(red, "differs") + " " + node
		for _, d := range r.Differ {
			line += "\n          " + d
		}
		if r.Note != "" {
			line += "\n          note: " + r.Note
		}
		a.verified(r, line)
	}
	return code
}

func (a *app) verified(r verifyJSON, line string) {
	if a.json {
		doc, _ := json.Marshal(r)
		line = string(doc)
	}
	fmt.Fprintln(a.stdout, line)
}
