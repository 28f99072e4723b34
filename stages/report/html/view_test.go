package html

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/stages"
)

func p(x float64) *float64 { return &x }

func TestVerdictNumbers(t *testing.T) {
	tests := map[string]struct {
		v                  stages.Verdict
		value, limit, span string
	}{
		"tolerance":            {stages.Verdict{Value: p(.0033624), Equals: p(.00336), Tolerance: p(5e-5)}, "0.003362", "0.00336 ± 0.00005", ""},
		"interval":             {stages.Verdict{Value: p(.98024), Low: p(.97712), High: p(.98331), Min: p(.9)}, "0.9802", "≥ 0.9", "[0.9771, 0.9833]"},
		"whole numbers":        {stages.Verdict{Value: p(15625), Equals: p(6466)}, "15,625", "6466", ""},
		"neither":              {stages.Verdict{Value: p(1. / 3), Max: p(1)}, "0.3333", "≤ 1", ""},
		"just below the limit": {stages.Verdict{Value: p(.8999996), Low: p(.8), High: p(1), Min: p(.9)}, "0.8999996", "≥ 0.9", "[0.8000000, 1.0000000]"},
		"range":                {stages.Verdict{Value: p(-.05), Min: p(-.1), Max: p(.1)}, "−0.05", "−0.1 to 0.1", ""},
		"tiny":                 {stages.Verdict{Value: p(3e-12), Equals: p(3e-12), Tolerance: p(1e-14)}, "3e−12", "3e−12 ± 1e−14", ""},
		"not a number":         {stages.Verdict{Min: p(.5)}, "not a number", "≥ 0.5", ""},
		"nan":                  {stages.Verdict{Value: p(math.NaN()), Low: p(math.NaN()), High: p(1)}, "not a number", "–", ""},
		"infinite":             {stages.Verdict{Value: p(math.Inf(-1))}, "−∞", "–", ""},
		"text":                 {stages.Verdict{Text: "a", Want: "b"}, "a", "b", ""},
		"negative zero":        {stages.Verdict{Value: p(-1e-9), Equals: p(0), Tolerance: p(.1)}, "0.00", "0 ± 0.1", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := viewVerdict(tt.v, "id", "anchor")
			if got.Value != tt.value || got.Limit != tt.limit || got.Span != tt.span {
				t.Errorf("got %q, %q, %q; want %q, %q, %q", got.Value, got.Limit, got.Span, tt.value, tt.limit, tt.span)
			}
		})
	}
}

func TestWords(t *testing.T) {
	for want, c := range map[string]tally{
		"No statement is tested here.":                                               {},
		"The one statement reproduced.":                                              {1, 0, 0},
		"All 24 statements reproduced.":                                              {24, 0, 0},
		"0 of 1 statement reproduced; 1 did not reproduce.":                          {0, 1, 0},
		"21 of 24 statements reproduced; 2 did not reproduce and 1 is inconclusive.": {21, 2, 1},
	} {
		if got := c.Words(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// grid writes a table as text, columns parted by bars.
func grid(tb *table) string {
	if tb == nil {
		return "none"
	}
	var b strings.Builder
	for _, h := range tb.Heads {
		b.WriteString(h.Text + "|")
	}
	for _, r := range tb.Rows {
		b.WriteString("\n")
		for _, c := range r {
			b.WriteString(c.Text + "|")
		}
	}
	return b.String()
}

func TestTables(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"statistics by task": {`{"b":{"value":0.5,"ci_low":0.25,"ci_high":0.75,"p":0,"log10_p":-400.4},"a":{"value":1,"p":0.5}}`, "|value|interval|p|\na|1.00|–|0.500|\nb|0.50|[0.25, 0.75]|1e−400|"},
		"natural order":      {`{"10%":{"value":1},"5%":{"value":2}}`, "|value|\n5%|2|\n10%|1|"},
		"two keys":           {`{"a":{"x":{"n":1},"y":{"n":2}},"b":{"x":{"n":3}}}`, "||n|\na|x|1|\na|y|2|\nb|x|3|"},
		"matrix":             {`{"a":{"a":0,"b":0.5},"b":{"a":0.25,"b":null}}`, "|a|b|\na|0.00|0.5|\nb|0.25|–|"},
		"numbers by name":    {`{"a":1,"b":"x","c":null}`, "|value|\na|1|\nb|x|\nc|–|"},
		"one record":         {`{"value":1.5,"p":0.0001}`, "value|p|\n1.5|1e−4|"},
		"list":               {`[1,"a",null]`, "values|\n1, a, –|"},
		"list of records":    {`[{"k":1},{"k":2}]`, "|k|\n0|1|\n1|2|"},
		"null record":        {`{"a":null,"b":{"n":1}}`, "|n|\nb|1|"},
		"many magnitudes":    {`{"a":{"n":1e-9},"b":{"n":12345.678}}`, "|n|\na|1e−9|\nb|12,346|"},
		"irregular":          {`{"a":{"n":1},"b":{"c":{"n":1}}}`, "none"},
		"empty":              {`{}`, "none"},
		"file inside":        {`{"a":{"n":1},"b":{"$file":{"digest":"` + strings.Repeat("0", 64) + `","size":1}}}`, "none"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := grid(tableOf(decode(json.RawMessage(tt.in)))); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestHeat(t *testing.T) {
	tests := map[string]struct {
		in   string
		want []string
	}{
		"upwards":        {`{"a":{"x":0,"y":4},"b":{"x":8,"y":1}}`, []string{"h0", "h4", "h8", "h1"}},
		"both signs":     {`{"a":{"x":-1,"y":4},"b":{"x":-4,"y":0}}`, []string{"n2", "h8", "n8", "h0"}},
		"statistics":     {`{"a":{"value":0,"p":1},"b":{"value":1,"p":0}}`, []string{"", "", "", ""}},
		"other units":    {`{"a":{"params":1e6,"error":0.1},"b":{"params":2e6,"error":0.2}}`, []string{"", "", "", ""}},
		"constant":       {`{"a":{"x":1,"y":1},"b":{"x":1,"y":1}}`, []string{"", "", "", ""}},
		"words inside":   {`{"a":{"x":"u","y":1},"b":{"x":2,"y":1}}`, []string{"", "", "", ""}},
		"extreme values": {`{"a":{"x":-1e308,"y":1e308},"b":{"x":1e308,"y":-1e308}}`, []string{"n8", "h8", "h8", "n8"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, r := range tableOf(decode(json.RawMessage(tt.in))).Rows {
				for _, c := range r[1:] {
					got = append(got, c.Class)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestGraph(t *testing.T) {
	var up []stages.NodeInfo
	for i := range 100 {
		up = append(up, stages.NodeInfo{Address: fmt.Sprintf(`search.a["%d"]`, i), Kind: "search random"})
	}
	h := []stages.NodeInfo{{Address: "hypothesis.h", Kind: "hypothesis x", Upstream: up}}
	picture, note := drawGraph(allNodes(h), h)
	if !strings.Contains(string(picture), "a ×100") || note == "" {
		t.Errorf("instances are not drawn as one: %q, %.300s", note, picture)
	}
	for i := range up {
		up[i].Address = fmt.Sprintf("search.a%d", i)
	}
	if picture, note := drawGraph(allNodes(h), h); picture != "" || !strings.Contains(note, "101 blocks") {
		t.Errorf("100 blocks: %q, %.300s", note, picture)
	}
	if picture, note := drawGraph(nil, nil); picture != "" || note != "" {
		t.Errorf("no node: %q, %.300s", note, picture)
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"hypothesis.a": "hypothesis.a", `hypothesis.a["x"]`: `'hypothesis.a["x"]'`, `a';rm`: `'a'\'';rm'`, "": "''",
	} {
		if got := shellQuote(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
