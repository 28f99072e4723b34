package html

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
)

//go:embed page.tmpl
var pageTemplate string

//go:embed page.css
var pageStyle string

// maxListed bounds the statements named in the summary.
const maxListed = 8

// page is what the template shows.
type page struct {
	Title   string
	Summary []string // paragraphs
	Policy  string
	Style   template.CSS
	Tally   tally
	Kinds   []kindTally
	Failed  []verdictView // not reproduced
	Open    []verdictView // inconclusive
	More    string        // what of both is not listed, in words
	Groups  []group
	Figures []figure
	Sources []source
	Files   []artifact
	Nodes   []nodeView
	Graph   template.HTML
	Note    string // of the graph
	Command []command
}

// kindTally counts the verdicts of one kind, with the kind's meaning.
type kindTally struct {
	Kind  string
	Words string
	Tally tally
}

// group is a hypothesis: its verdicts, and its section.
type group struct {
	Anchor      string // id of the section
	Address     string
	Name        string // address without the block keyword
	Kind        string
	Question    string // the description's first sentence
	Description []string
	Tally       tally
	Verdicts    []verdictView
	Figures     []figure
	Blocks      []block
	Files       []artifact
}

// buildPage computes everything that the template needs.
func buildPage(ctx context.Context, s *Stage, e *embedder) (*page, error) {
	nodes := allNodes(s.Hypotheses)
	p := &page{
		Title: clean(s.Title), Summary: paragraphs(s.Summary), Style: template.CSS(pageStyle), Policy: policy(),
		Sources: sources(nodes), Files: ownFiles(nodes), Command: commands(s.Hypotheses),
	}
	kinds := map[string]tally{}
	used := map[cache.Digest]bool{}
	for i, h := range s.Hypotheses {
		g, err := buildGroup(ctx, h, i, e, used)
		if err != nil {
			return nil, err
		}
		p.Groups = append(p.Groups, g)
		for j, v := range h.Verdicts {
			p.Tally.count(v.Outcome)
			t := kinds[g.Verdicts[j].Kind]
			t.count(v.Outcome)
			kinds[g.Verdicts[j].Kind] = t
		}
	}
	p.summarise()
	p.Kinds = kindTallies(kinds)
	if err := p.addFigures(ctx, s, e, used); err != nil {
		return nil, err
	}
	for _, n := range nodes {
		p.Nodes = append(p.Nodes, viewNode(n))
	}
	p.Graph, p.Note = drawGraph(nodes, s.Hypotheses)
	return p, nil
}

// summarise lists in the summary what did not reproduce: the paper's own numbers
// and words before the experiment's statements, what fails before what stays open.
func (p *page) summarise() {
	var missed []verdictView
	for _, g := range p.Groups {
		for _, v := range g.Verdicts {
			if v.Class != "ok" {
				missed = append(missed, v)
			}
		}
	}
	weight := func(v verdictView) int {
		w := slices.IndexFunc(kindMeanings, func(k kindMeaning) bool { return k.kind == v.Kind })
		if v.Class != "no" {
			w += len(kindMeanings)
		}
		return w
	}
	slices.SortStableFunc(missed, func(a, b verdictView) int { return weight(a) - weight(b) })
	listed := missed[:min(len(missed), maxListed)]
	more := map[string]int{}
	for _, v := range missed[len(listed):] {
		more[v.Class]++
	}
	p.More = moreWords(more["no"], len(missed)-len(listed)-more["no"])
	for _, v := range listed {
		if v.Class == "no" {
			p.Failed = append(p.Failed, v)
		} else {
			p.Open = append(p.Open, v)
		}
	}
}

// moreWords says how many statements a list leaves out.
func moreWords(failed, open int) string {
	switch {
	case failed > 0 && open > 0:
		return fmt.Sprintf("and %d more that did not reproduce, and %d that stay open, below", failed, open)
	case failed > 0:
		return fmt.Sprintf("and %d more that did not reproduce, below", failed)
	case open > 0:
		return fmt.Sprintf("and %d more that %s open, below", open, plural(open, "stays", "stay"))
	}
	return ""
}

func buildGroup(ctx context.Context, h stages.NodeInfo, i int, e *embedder, used map[cache.Digest]bool) (group, error) {
	g := group{
		Anchor: fmt.Sprintf("node-%d", i+1), Address: clean(h.Address), Kind: clean(h.Kind), Description: paragraphs(h.Description),
		Blocks: blocks(h.Outputs),
	}
	_, g.Name, _ = strings.Cut(g.Address, ".")
	g.Question = question(g)
	for j, v := range h.Verdicts {
		g.Tally.count(v.Outcome)
		g.Verdicts = append(g.Verdicts, viewVerdict(v, fmt.Sprintf("v-%d-%d", i+1, j+1), g.Anchor))
	}
	for _, a := range artifacts("", decode(h.Outputs)) {
		if !isFigure(a) {
			g.Files = append(g.Files, a)
			continue
		}
		a.Path = clean(h.Address) + "." + a.Path
		f, err := e.embed(ctx, a, "")
		if err != nil {
			return g, err
		}
		used[a.object.Digest] = true
		g.Figures = append(g.Figures, f)
	}
	return g, nil
}

// question is what the summary calls a hypothesis: the first paragraph of its
// description up to its first question mark, or whole; else its name.
func question(g group) string {
	if len(g.Description) == 0 {
		return g.Name
	}
	if asked, _, ok := strings.Cut(g.Description[0], "?"); ok {
		return asked + "?"
	}
	return g.Description[0]
}

// addFigures embeds what the attribute names, unless a hypothesis' section
// already shows it under its caption.
func (p *page) addFigures(ctx context.Context, s *Stage, e *embedder, used map[cache.Digest]bool) error {
	for _, caption := range captionsOf(s.Figures) {
		file := s.Figures[caption]
		if used[file.Digest] {
			continue
		}
		a := artifact{
			Path: caption, Name: clean(file.Name), Digest: file.Digest.String(), Short: file.Digest.Short(),
			Size: byteSize(file.Size), Tree: file.Tree, object: file.Object,
		}
		f, err := e.embed(ctx, a, caption)
		if err != nil {
			return err
		}
		p.Figures = append(p.Figures, f)
	}
	return nil
}

func captionsOf(figures map[string]stages.File) []string {
	var out []string
	for c := range figures {
		out = append(out, c)
	}
	slices.SortFunc(out, natural)
	return out
}

type kindMeaning struct{ kind, words string }

var kindMeanings = []kindMeaning{
	{"print", "a number the paper prints, compared within a tolerance"},
	{"claim", "the paper’s words; the limits that make them testable are this experiment’s"},
	{"own reading", "a statement of this experiment, not of the paper"},
}

func kindTallies(kinds map[string]tally) []kindTally {
	var out []kindTally
	for _, k := range kindMeanings {
		if t, ok := kinds[k.kind]; ok {
			out = append(out, kindTally{k.kind, k.words, t})
			delete(kinds, k.kind)
		}
	}
	var rest []string
	for k := range kinds {
		rest = append(rest, k)
	}
	slices.Sort(rest)
	for _, k := range rest {
		out = append(out, kindTally{k, "a kind of statement that this page has no words for", kinds[k]})
	}
	return out
}

func paragraphs(s string) []string {
	var out []string
	for p := range strings.SplitSeq(clean(s), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// policy lets the page load nothing but its own style sheet and data: images.
func policy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'"
}

func (p *page) render() ([]byte, error) {
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("write page: %w", err)
	}
	return b.Bytes(), nil
}
