package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/pipeline/run"
	"github.com/nbpipe/nbpipe/stages"
)

// resultEvent is the last line of a run's JSON.
type resultEvent struct {
	Event       string            `json:"event"` // "result"
	Nodes       int               `json:"nodes"`
	Cached      int               `json:"cached"`
	Ran         int               `json:"ran"`
	Failed      int               `json:"failed"`
	Skipped     int               `json:"skipped"`
	Interrupted int               `json:"interrupted"`
	Seconds     float64           `json:"seconds"`
	Verdicts    []stages.Verdict  `json:"verdicts"`
	Outputs     []plan.OutputText `json:"outputs"`
	Reports     []plan.Report     `json:"reports"`
	Unsaved     string            `json:"unsaved,omitempty"` // why the cache may not keep what was made
}

func (a *app) printOutcome(s *session, o *plan.Outcome, sum run.Summary, took time.Duration) {
	if s.team != nil {
		for _, line := range append(teamText(s.team.Report(), s.worked), passedOver("not used", s.engine.Refused())...) {
			if a.json {
				doc, _ := json.Marshal(run.Event{Time: time.Now(), Type: run.EventTeam, Message: line})
				fmt.Fprintf(a.stdout, "%s\n", doc)
			} else {
				a.note("%s", line)
			}
		}
	}
	if a.json {
		doc, _ := json.Marshal(resultEvent{
			"result", sum.Total, sum.Cached, sum.Ran, sum.Failed, sum.Skipped, sum.Interrupted, took.Seconds(),
			o.Verdicts, o.Outputs, o.Reports, errorText(sum.Saved),
		})
		fmt.Fprintf(a.stdout, "%s\n", doc)
		return
	}
	t := a.terminal(a.stdout)
	printVerdicts(a.stdout, t, o.Verdicts)
	printOutputs(a.stdout, t, o.Outputs)
	for _, r := range o.Reports {
		fmt.Fprintf(a.stdout, "report  %s\n", relative(r.Path))
	}
	a.printFailures(s)
	fmt.Fprintln(a.stdout, t.paint(bold, s.target.experiment+": "+summaryText(sum, took)))
	if sum.Saved != nil {
		a.note("the cache may not keep what was made: %v", sum.Saved)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func summaryText(sum run.Summary, took time.Duration) string {
	if sum.Cached == sum.Total {
		return fmt.Sprintf("nothing to do, all %s up to date (%.2f s)", count(sum.Total, "node"), took.Seconds())
	}
	parts := []string{fmt.Sprintf("%d ran", sum.Ran)}
	for _, p := range []struct {
		n    int
		what string
	}{{sum.Cached, "cached"}, {sum.Failed, "failed"}, {sum.Skipped, "skipped"}, {sum.Interrupted, "interrupted"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return fmt.Sprintf("%s: %s (%s)", count(sum.Total, "node"), strings.Join(parts, ", "), seconds(took.Seconds()))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printFailures names the root causes, and how much each of them held up. What
// several nodes failed of is one cause, such as a mistake in an executor's block.
func (a *app) printFailures(s *session) {
	if s.engine == nil {
		return
	}
	victims := map[string]int{}
	for _, n := range s.engine.Nodes {
		if n.Status == run.Skipped {
			victims[n.Cause]++
		}
	}
	var causes []string
	failed, held := map[string][]string{}, map[string]int{}
	for _, n := range s.engine.Nodes {
		if n.Status != run.Failed || n.Interrupted() {
			continue
		}
		cause := firstLine(n.Err.Error())
		if failed[cause] == nil {
			causes = append(causes, cause)
		}
		failed[cause] = append(failed[cause], n.Address)
		held[cause] += victims[n.Address]
	}
	for _, cause := range causes {
		text := abbreviate(failed[cause], mostNamed) + ": " + cause
		if n := held[cause]; n > 0 {
			text += fmt.Sprintf(" (%s could not run because of it)", count(n, "node"))
		}
		a.note("failed: %s", text)
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func relative(path string) string {
	abs, err := filepath.Abs(".")
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(abs, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}

// printVerdicts lists verdicts by node: outcome, name, value, limits, claim.
func printVerdicts(w io.Writer, t terminal, all []stages.Verdict) {
	node := ""
	for _, v := range all {
		if v.Node != node {
			node = v.Node
			fmt.Fprintln(w, t.paint(bold, node))
		}
		fmt.Fprintf(w, "  %s  %s = %s%s\n", outcomeText(t, v.Outcome), v.Name, verdictValue(v), verdictLimits(v))
		detail := v.Claim
		if v.Kind != "" {
			detail = "[" + v.Kind + "] " + detail
		}
		if v.Reason != "" && v.Outcome != stages.Reproduced {
			detail += ": " + v.Reason
		}
		fmt.Fprintln(w, t.paint(faint, "                    "+detail))
	}
	if len(all) > 0 {
		fmt.Fprintln(w, tally(all))
	}
}

func tally(all []stages.Verdict) string {
	n := map[stages.Outcome]int{}
	for _, v := range all {
		n[v.Outcome]++
	}
	return fmt.Sprintf("%d of %s reproduced, %d not reproduced, %d inconclusive",
		n[stages.Reproduced], count(len(all), "statement"), n[stages.NotReproduced], n[stages.Inconclusive])
}

func outcomeText(t terminal, o stages.Outcome) string {
	style := map[stages.Outcome]string{stages.Reproduced: green, stages.NotReproduced: red, stages.Inconclusive: yellow}[o]
	return t.paint(style, fmt.Sprintf("%-16s", o))
}

func verdictValue(v stages.Verdict) string {
	if v.Value == nil {
		if v.Text != "" {
			return v.Text
		}
		return "undefined"
	}
	text := figure(*v.Value)
	if v.Low != nil && v.High != nil {
		text += " [" + figure(*v.Low) + ", " + figure(*v.High) + "]"
	}
	return text
}

func verdictLimits(v stages.Verdict) string {
	var out string
	if v.Equals != nil {
		out += ", expected " + figure(*v.Equals)
		if v.Tolerance != nil && *v.Tolerance > 0 {
			out += " +- " + figure(*v.Tolerance)
		}
	}
	if v.Want != "" {
		out += ", expected " + v.Want
	}
	if v.Min != nil {
		out += ", at least " + figure(*v.Min)
	}
	if v.Max != nil {
		out += ", at most " + figure(*v.Max)
	}
	return out
}

// figure gives five significant digits, or all of an integer.
func figure(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'g', 5, 64)
}

func printOutputs(w io.Writer, t terminal, all []plan.OutputText) {
	for _, o := range all {
		value := string(o.Value)
		switch {
		case o.Sensitive:
			value = "(sensitive)"
		case value == "":
			value = "(not known)"
		default:
			value = readable(o.Value)
		}
		fmt.Fprintf(w, "%s = %s\n", t.paint(bold, "output."+o.Name), clip(value, 400))
	}
}

// readable shows files as people name them; everything else is JSON.
func readable(raw json.RawMessage) string {
	var f struct {
		File  *namedObject `json:"$file"`
		Table *namedObject `json:"$table"`
	}
	_ = json.Unmarshal(raw, &f)
	o := f.File
	if o == nil {
		o = f.Table
	}
	if o == nil || o.Digest.IsZero() {
		return string(raw)
	}
	return fmt.Sprintf("%s (%s, sha256 %s)", printable(o.Name), byteText(o.Size), o.Digest.Short())
}

type namedObject struct {
	cache.Object
	Name string `json:"name"`
}

// printJSON writes a document, indented.
func (a *app) printJSON(doc any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
