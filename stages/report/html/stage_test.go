package html_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	html "github.com/nbpipe/nbpipe/stages/report/html"
)

var update = flag.Bool("update", false, "write golden files anew")

type silent struct{}

func (silent) Report(int64, int64, string) {}

func run(t testing.TB, s *html.Stage, store files) (string, *stages.Output) {
	t.Helper()
	out := stages.NewOutput()
	in := &stages.Input{Scratch: t.TempDir(), Store: store, Progress: silent{}, Log: io.Discard}
	if err := s.Run(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(out.Files["page"].Path)
	if err != nil {
		t.Fatal(err)
	}
	return string(page), out
}

func TestGolden(t *testing.T) {
	for name, build := range map[string]func(testing.TB) (*html.Stage, files){"paper": paper, "hostile": hostile, "empty": func(testing.TB) (*html.Stage, files) { return &html.Stage{Title: "Empty"}, nil }} {
		t.Run(name, func(t *testing.T) {
			s, store := build(t)
			page, _ := run(t, s, store)
			file := filepath.Join("testdata", name+".html")
			if *update {
				if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(page, "\n")); d != "" {
				t.Errorf("page differs (-want +got), renew with -update:\n%s", d)
			}
			if len(page) > 1<<20 {
				t.Errorf("page has %d bytes, more than 1 MiB", len(page))
			}
			wellFormed(t, page)
			contained(t, page)
		})
	}
}

// wellFormed parses the page, which is written so that XML parsers read it, too.
func wellFormed(t *testing.T, page string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	ids := map[string]bool{}
	var hrefs []string
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range start.Attr {
			switch {
			case a.Name.Local == "id" && ids[a.Value]:
				t.Errorf("id %q stands twice", a.Value)
			case a.Name.Local == "id":
				ids[a.Value] = true
			case a.Name.Local == "href" && strings.HasPrefix(a.Value, "#"):
				hrefs = append(hrefs, a.Value[1:])
			}
		}
	}
	for _, h := range hrefs {
		if !ids[h] {
			t.Errorf("link to #%s, which is nowhere", h)
		}
	}
}

var pageElements = regexp.MustCompile(`^(html|head|meta|title|style|body|header|main|footer|section|nav|h[1-4]|p|a|b|bdi|span|div|ul|li|dl|dt|dd|table|caption|thead|tbody|tr|th|td|details|summary|pre|code|fieldset|legend|label|input|figure|figcaption|img|` +
	`svg|defs|symbol|use|g|path|rect|circle|line|text|title|image|clipPath)$`)

// contained checks that the page has no element, attribute or link that could
// run or load anything.
func contained(t *testing.T, page string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	for {
		tok, err := d.Token()
		if err != nil {
			return
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		if !pageElements.MatchString(start.Name.Local) {
			t.Errorf("element <%s>", start.Name.Local)
		}
		for _, a := range start.Attr {
			name, v := strings.ToLower(a.Name.Local), a.Value
			switch {
			case strings.HasPrefix(name, "on") || name == "style":
				t.Errorf("<%s> has %s", start.Name.Local, name)
			case name == "src" && !strings.HasPrefix(v, "data:image/"):
				t.Errorf("src %.60q", v)
			case name == "href" && !strings.HasPrefix(v, "#") && !strings.HasPrefix(v, "data:image/png;base64,") &&
				(start.Name.Local != "a" || !strings.HasPrefix(v, "https://example.org/")):
				t.Errorf("href %.60q", v)
			}
		}
	}
}

func TestDeterministic(t *testing.T) {
	s, store := paper(t)
	first, _ := run(t, s, store)
	for range 5 {
		s, store := paper(t)
		if page, _ := run(t, s, store); page != first {
			t.Fatal("two runs differ")
		}
	}
}

func TestCounts(t *testing.T) {
	s, store := paper(t)
	page, out := run(t, s, store)
	want := map[string]int64{"reproduced": 24, "not_reproduced": 2, "inconclusive": 2}
	for name, n := range want {
		if v, ok := out.Values[name]; !ok || !v.RawEquals(cty.NumberIntVal(n)) {
			t.Errorf("%s = %#v, want %d", name, v, n)
		}
	}
	if len(out.Warnings) > 0 {
		t.Errorf("warnings: %q", out.Warnings)
	}
	for _, w := range []string{
		"24 of 28 statements reproduced; 2 did not reproduce and 2 are inconclusive.",
		"Figure 3. Rank on CIFAR-100 against rank on four other tasks.",
		`id="f1-clip"`, `id="f2-clip"`, "0.00336 ± 0.00005", "−0.00022", "nbpipe verify EXPERIMENT hypothesis.figure3 hypothesis.figure4",
	} {
		if !strings.Contains(page, w) {
			t.Errorf("page lacks %q", w)
		}
	}
	if n := strings.Count(page, "rank on cifar100"); n != len(tasks) {
		t.Errorf("the scatter of figure 3 stands %d times in the page", n/len(tasks))
	}
}

func TestHostileWarnings(t *testing.T) {
	s, store := hostile(t)
	page, out := run(t, s, store)
	if strings.Contains(page, "<script") || strings.Contains(page, "\u202e") || strings.Contains(page, "\x00") {
		t.Error("an attack got through")
	}
	if len(out.Warnings) != 3 {
		t.Errorf("warnings: %q", out.Warnings)
	}
}

func TestMissingBlob(t *testing.T) {
	s, _ := paper(t)
	in := &stages.Input{Scratch: t.TempDir(), Store: files{}, Progress: silent{}}
	err := s.Run(context.Background(), in, stages.NewOutput())
	if err == nil || !strings.Contains(err.Error(), "hypothesis.figure3.figure") {
		t.Errorf("error %v does not name the figure", err)
	}
}

func TestCheck(t *testing.T) {
	attrs := stages.Attrs{
		"title":   cty.StringVal(" "),
		"figures": cty.MapVal(map[string]cty.Value{"": stages.FileValue(stages.File{})}),
	}
	problems := html.Kind.Zero().(stages.Checker).Check(attrs)
	if len(problems) != 2 {
		t.Errorf("problems: %+v", problems)
	}
	unknown := stages.Attrs{"title": cty.UnknownVal(cty.String), "figures": cty.NullVal(cty.Map(stages.FileType))}
	if p := html.Kind.Zero().(stages.Checker).Check(unknown); len(p) != 0 {
		t.Errorf("problems of unknown attributes: %+v", p)
	}
}

func TestKind(t *testing.T) {
	for name, want := range map[string]stages.Attribute{
		"title": {Key: true}, "summary": {Key: true, Optional: true}, "figures": {Key: true, Optional: true}, "hypotheses": {Nodes: true},
	} {
		a, ok := html.Kind.Attribute(name)
		if !ok || a.Key != want.Key || a.Optional != want.Optional || a.Nodes != want.Nodes {
			t.Errorf("attribute %s: %+v", name, a)
		}
	}
	filled, err := html.Kind.Fill(stages.Attrs{"title": cty.StringVal("T"), "summary": cty.NullVal(cty.String)})
	if err != nil {
		t.Fatal(err)
	}
	html.Kind.SetNodes(filled, "hypotheses", []stages.NodeInfo{{Address: "hypothesis.x"}})
	if page, _ := run(t, filled.(*html.Stage), nil); !bytes.Contains([]byte(page), []byte("hypothesis.x")) {
		t.Error("a node set by the engine is not in the page")
	}
}
