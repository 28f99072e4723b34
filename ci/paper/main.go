// Command paper writes docs/paper.md: every claim with its file and its verdict, as
// the experiments give it. It runs what has no result yet.
//
//	go run ./ci/paper [-check] [-mirror FOLDER] NBPIPE
//
// With -check it writes nothing and fails where the file is not what the
// experiments say. Numbers are rounded so that another processor gives the same.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nbpipe/nbpipe/stages"
)

// experiments are those that need published tables and nothing else.
var experiments = []string{"nb360", "fidelity", "landscape", "oneproxy", "shrinking", "search"}

const page = "docs/paper.md"

func main() {
	check := flag.Bool("check", false, "fail where docs/paper.md is not what the experiments say")
	mirror := flag.String("mirror", "", "folder with the published tables; without it they are fetched")
	flag.Parse()
	log.SetFlags(0)
	text, err := write(flag.Arg(0), *mirror)
	if err != nil {
		log.Fatal(err)
	}
	if !*check {
		err = os.WriteFile(page, text, 0o644)
	} else if was, e := os.ReadFile(page); e != nil || !bytes.Equal(was, text) {
		err = errors.Join(e, fmt.Errorf("%s is not what the experiments say: go run ./ci/paper NBPIPE writes it", page))
		_ = os.WriteFile(filepath.Join(os.TempDir(), "paper.md"), text, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// node is what `nbpipe show --json` says of a hypothesis, as far as it is needed.
type node struct {
	Address     string           `json:"address"`
	Description string           `json:"description"`
	Place       string           `json:"place"`
	Verdicts    []stages.Verdict `json:"verdicts"`
}

func write(nbpipe, mirror string) ([]byte, error) {
	nbpipe, err := filepath.Abs(nbpipe)
	if err != nil {
		return nil, err
	}
	var summary, claims strings.Builder
	for _, name := range experiments {
		nodes, err := judged(nbpipe, mirror, "experiments/"+name)
		if err != nil {
			return nil, fmt.Errorf("experiments/%s: %w", name, err)
		}
		for _, n := range nodes {
			heading := fmt.Sprintf("%s: %s", name, strings.TrimPrefix(n.Address, "hypothesis."))
			summarise(&summary, heading, n)
			list(&claims, heading, n)
		}
	}
	return []byte(head + summary.String() + "\n" + claims.String()), nil
}

const head = `# The paper's claims, one by one

What NAS-Bench-360 (Tu et al., arXiv 2110.05668) and its companions claim, what comes out when it is computed again from
the published tables, and the verdict. Written by ` + "`go run ./ci/paper`" + ` from the experiments' results; CI holds it to them.

* **print**: a number that a paper prints. **claim**: a paper's words; the limits that make them testable are ours. **own**: a statement of
  ours.
* A value in brackets has a 95 % interval. *Inconclusive*: the value misses the limit, and its interval reaches it.

| question | file | reproduced | open | not |
| --- | --- | ---: | ---: | ---: |
`

// judged runs an experiment and returns its hypotheses that have expectations.
func judged(nbpipe, mirror, experiment string) ([]node, error) {
	args := []string{"run", experiment}
	if mirror != "" {
		args = append(args, "--mirror", mirror, "--offline")
	}
	if out, err := exec.Command(nbpipe, args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	var all []struct{ Node string }
	if err := ask(&all, nbpipe, "show", experiment, "--json"); err != nil {
		return nil, err
	}
	var out []node
	for _, n := range all {
		if !strings.HasPrefix(n.Node, "hypothesis.") {
			continue
		}
		var one node
		if err := ask(&one, nbpipe, "show", experiment, n.Node, "--json"); err != nil {
			return nil, err
		}
		if len(one.Verdicts) > 0 {
			out = append(out, one)
		}
	}
	return out, nil
}

func ask(to any, nbpipe string, args ...string) error {
	c := exec.Command(nbpipe, args...)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return err
	}
	return json.Unmarshal(out, to)
}

func summarise(b *strings.Builder, heading string, n node) {
	counts := map[stages.Outcome]int{}
	for _, v := range n.Verdicts {
		counts[v.Outcome]++
	}
	question := n.Description
	if asked, _, ok := strings.Cut(question, "?"); ok {
		question = asked + "?"
	}
	if question == "" {
		question = n.Address
	}
	fmt.Fprintf(b, "| [%s](#%s) | %s | %d | %d | %d |\n", cell(question), anchor(heading), link(n.Place),
		counts[stages.Reproduced], counts[stages.Inconclusive], counts[stages.NotReproduced])
}

func list(b *strings.Builder, heading string, n node) {
	fmt.Fprintf(b, "## %s\n\n%s\n\n", heading, strings.TrimSpace(n.Description+" "+link(n.Place)))
	b.WriteString("| claim | | printed or limit | computed | verdict |\n| --- | --- | --- | --- | --- |\n")
	for _, v := range n.Verdicts {
		outcome := string(v.Outcome)
		if v.Outcome != stages.Reproduced {
			outcome = "**" + outcome + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", cell(v.Claim), v.Kind, cell(limits(v)), cell(value(v)), outcome)
	}
	b.WriteString("\n")
}

// anchor is GitHub's name of a heading.
func anchor(heading string) string {
	keep := func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
			return r
		}
		return -1
	}
	return strings.Map(keep, strings.ToLower(heading))
}

func link(place string) string {
	file, line, _ := strings.Cut(place, ":")
	return fmt.Sprintf("[%s](../%s#L%s)", filepath.Base(file), file, line)
}

func limits(v stages.Verdict) string {
	var parts []string
	if v.Equals != nil {
		s := number(v.Equals)
		if v.Tolerance != nil && *v.Tolerance > 0 {
			s += " ± " + number(v.Tolerance)
		}
		parts = append(parts, s)
	}
	if v.Min != nil {
		parts = append(parts, "≥ "+number(v.Min))
	}
	if v.Max != nil {
		parts = append(parts, "≤ "+number(v.Max))
	}
	if v.Want != "" {
		parts = append(parts, v.Want)
	}
	return strings.Join(parts, ", ")
}

func value(v stages.Verdict) string {
	if v.Text != "" {
		return v.Text
	}
	s := number(v.Value)
	if v.Low != nil && v.High != nil {
		s += fmt.Sprintf(" [%s, %s]", number(v.Low), number(v.High))
	}
	return s
}

func number(v *float64) string {
	if v == nil {
		return "none"
	}
	return strconv.FormatFloat(*v, 'g', 4, 64)
}

// cell is text for a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}
