package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/run"
	"github.com/nbpipe/nbpipe/stages"
)

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show [EXPERIMENT] [NODE...]",
		Short:   "Print a node's outputs, inputs, key, verdicts and timings",
		Example: "  nbpipe show experiments/nb360 hypothesis.figure4 --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.planned(cmd.Context(), args, false, func(s *session) error {
				return a.show(cmd, s)
			})
		},
	}
}

// nodeJSON is a node as `show --json` prints it.
type nodeJSON struct {
	Address     string           `json:"address"`
	Kind        string           `json:"kind"`
	Place       string           `json:"place"` // file and line of its block
	Version     int              `json:"version"`
	Description string           `json:"description,omitempty"`
	Status      run.Status       `json:"status"`
	Key         string           `json:"key,omitempty"`
	Inputs      json.RawMessage  `json:"inputs"`
	DependsOn   []string         `json:"depends_on,omitempty"`
	Outputs     json.RawMessage  `json:"outputs,omitempty"`
	Verdicts    []stages.Verdict `json:"verdicts,omitempty"`
	Record      *cache.Record    `json:"record,omitempty"`
	Source      *cache.Source    `json:"source,omitempty"`    // of the record: who signed it
	Diverging   []cache.Side     `json:"diverging,omitempty"` // the one in use first
}

func (a *app) show(cmd *cobra.Command, s *session) error {
	if len(s.wanted) == 0 {
		return a.showAll(s)
	}
	var docs []nodeJSON
	for _, w := range s.wanted {
		doc, err := s.describe(cmd, s.engine.Nodes[w.Index])
		if err != nil {
			return err
		}
		docs = append(docs, doc)
	}
	if a.json {
		if len(docs) == 1 {
			return a.printJSON(docs[0])
		}
		return a.printJSON(docs)
	}
	for i, doc := range docs {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		a.printNode(doc)
	}
	return nil
}

func (a *app) showAll(s *session) error {
	if a.json {
		return a.printPlan(s, true)
	}
	t := a.terminal(a.stdout)
	for _, n := range s.engine.Members() {
		took := ""
		if n.Entry != nil {
			took = "  " + seconds(n.Entry.Record.Seconds)
		}
		fmt.Fprintf(a.stdout, "%s  %s  (%s)%s\n", statusText(t, n.Status), n.Address, n.Kind.Name(), took)
	}
	return nil
}

func (s *session) describe(cmd *cobra.Command, n *run.Node) (nodeJSON, error) {
	inputs, err := run.PublicAttributes(n)
	if err != nil {
		return nodeJSON{}, err
	}
	doc := nodeJSON{
		Address: n.Address, Kind: n.Kind.Name(), Place: fmt.Sprintf("%s:%d", relative(n.Range.Filename), n.Range.Start.Line), Version: n.Kind.Version, Description: n.Description, Status: n.Status,
		Key: keyText(n), Inputs: inputs, Verdicts: n.Verdicts,
	}
	for _, i := range n.Deps {
		doc.DependsOn = append(doc.DependsOn, s.engine.Nodes[i].Address)
	}
	if n.Entry == nil {
		return doc, nil
	}
	doc.Outputs, doc.Record = n.Entry.Outputs, &n.Entry.Record
	all, err := s.store.LookupAll(cmd.Context(), n.Key)
	if err != nil {
		return doc, withCode(exitStore, err)
	}
	if len(all) > 0 && all[0].Reason == "" {
		e := all[0].Stored
		doc.Source = &cache.Source{Entry: e.Digest, Signer: e.Signer, Time: e.Time}
	}
	doc.Diverging = cache.Divergence(all)
	return doc, nil
}

func (a *app) printNode(d nodeJSON) {
	t := a.terminal(a.stdout)
	fmt.Fprintf(a.stdout, "%s  (%s, version %d)  %s\n", t.paint(bold, d.Address), d.Kind, d.Version, statusText(t, d.Status))
	if d.Description != "" {
		fmt.Fprintln(a.stdout, "  "+d.Description)
	}
	if d.Key != "" {
		fmt.Fprintln(a.stdout, "  key      "+d.Key)
	}
	if d.Record != nil {
		a.printPlace(d)
		a.printRecord(d.Record)
	}
	a.printMembers("inputs", d.Inputs)
	a.printMembers("outputs", d.Outputs)
	for i, s := range d.Diverging {
		which := "other runs gave"
		if i == 0 {
			which = "in use are"
		}
		fmt.Fprintf(a.stdout, "  %s %s outputs %s\n", t.paint(red, "diverges"), which, s)
	}
	printVerdicts(a.stdout, t, d.Verdicts)
}

// printPlace says when and where a result was made, by whom, and what it took.
func (a *app) printPlace(d nodeJSON) {
	r, facts := d.Record, d.Record.Facts
	where := ""
	if host := facts["machine.host"]; host != "" {
		where = " on " + printable(host)
	}
	fmt.Fprintf(a.stdout, "  ran      %s, %s%s\n", r.Started.Local().Format("2006-01-02 15:04:05"), seconds(r.Seconds), where)
	if job := facts["machine.job"]; job != "" {
		if has := facts["machine.job_has"]; has != "" {
			job += " (" + has + ")"
		}
		fmt.Fprintln(a.stdout, "  job      "+printable(job))
	}
	if d.Source != nil && d.Source.Signer != "" {
		fmt.Fprintf(a.stdout, "  signed   by %s, %s\n", d.Source.Signer, d.Source.Time.Local().Format("2006-01-02 15:04:05"))
	}
	for _, of := range []string{"asked", "used"} {
		if text := amounts(facts, of); text != "" {
			fmt.Fprintf(a.stdout, "  %-8s %s\n", of, text)
		}
	}
}

// amounts are the facts of a group that say how much of the machine, in words.
func amounts(facts map[string]string, group string) string {
	var out []string
	for _, f := range []struct {
		name string
		text func(float64) string
	}{
		{"cpus", func(n float64) string { return plural(n, "core") }},
		{"memory", func(n float64) string { return byteText(int64(n)) + " of memory" }},
		{"gpus", func(n float64) string { return plural(n, "GPU") }},
		{"exclusive", func(float64) string { return "a machine of its own" }},
		{"seconds", func(n float64) string { return "at most " + seconds(n) }},
		{"cpu_seconds", func(n float64) string { return seconds(n) + " of CPU" }},
		{"max_rss", func(n float64) string { return byteText(int64(n)) + " of memory" }},
	} {
		if n, err := strconv.ParseFloat(facts[group+"."+f.name], 64); err == nil {
			out = append(out, f.text(n))
		}
	}
	return strings.Join(out, ", ")
}

func plural(n float64, what string) string {
	if n != 1 {
		what += "s"
	}
	return figure(n) + " " + what
}

// placed reports whether a fact was told already.
func placed(fact string) bool {
	group, name, _ := strings.Cut(fact, ".")
	return group == "asked" || group == "used" || group == "machine" && (name == "host" || strings.HasPrefix(name, "job"))
}

func (a *app) printRecord(r *cache.Record) {
	for _, why := range r.Why {
		fmt.Fprintln(a.stdout, "  because  "+why)
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(a.stdout, "  warning  "+strings.ReplaceAll(printableLines(w), "\n", "\n           "))
	}
	for _, k := range sortedKeys(r.Facts) {
		if !placed(k) {
			fmt.Fprintf(a.stdout, "  found    %s: %s\n", k, r.Facts[k])
		}
	}
	for _, k := range sortedKeys(r.Metrics) {
		fmt.Fprintf(a.stdout, "  metric   %s: %s\n", k, figure(r.Metrics[k]))
	}
	if r.Log != nil {
		fmt.Fprintf(a.stdout, "  log      %s (nbpipe get EXPERIMENT NODE.log -)\n", byteText(r.Log.Size))
	}
}

func (a *app) printMembers(title string, doc json.RawMessage) {
	var members map[string]json.RawMessage
	if json.Unmarshal(doc, &members) != nil || len(members) == 0 {
		return
	}
	fmt.Fprintln(a.stdout, "  "+title)
	for _, k := range sortedKeys(members) {
		fmt.Fprintf(a.stdout, "    %s = %s\n", k, clip(string(members[k]), 300))
	}
}
