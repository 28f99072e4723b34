package nas_test

import (
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
)

func TestParseIsTheInverseOfString(t *testing.T) {
	for i := range nas.Size {
		want := nas.At(i)
		got, err := nas.Parse(want.String())
		if err != nil || got != want {
			t.Fatalf("cell %d: Parse(%q) = %v, %v", i, want, got, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	const good = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
	cases := []struct {
		name, cell string
		want       []string
	}{
		{"empty", "", []string{"position 1", `expected "|"`, "edge 0-1"}},
		{"misspelt operation", strings.Replace(good, "none~1", "nor_conv_3x1~1", 1),
			[]string{"position 18", "edge 1-2", `"nor_conv_3x1"`, `did you mean "nor_conv_1x1"`, "none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3"}},
		{"unknown operation", strings.Replace(good, "none~2", "lstm~2", 1), []string{"edge 2-3", `"lstm"; the operations are`}},
		{"operation of another space", strings.Replace(good, "none~0", "dil_conv_3x3~0", 1), []string{"position 2", "edge 0-1"}},
		{"wrong source", strings.Replace(good, "none~1", "none~0", 1), []string{"edge 1-2 must come from node 1"}},
		{"truncated", good[:20], []string{"edge 1-2"}},
		{"no end", good[:len(good)-1], []string{"final |"}},
		{"trailing text", good + "|", []string{"final |"}},
		{"space", " " + good, []string{"position 1"}},
		{"upper case", strings.ToUpper(good), []string{"did you mean \"none\""}},
		{"huge", strings.Repeat("|x", 1<<16), []string{"position", "..."}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := nas.Parse(c.cell)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q lacks %q", err, w)
				}
			}
			if len(err.Error()) > 700 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(nas.At(0).String())
	f.Add("|none~0|+|none~0|")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := nas.Parse(s); err == nil && c.String() != s {
			t.Errorf("%q was read as %q", s, c)
		}
	})
}

func TestNames(t *testing.T) {
	for i, e := range nas.Edges() {
		if got, err := nas.ParseEdge(e.String()); got != i || err != nil {
			t.Errorf("ParseEdge(%q) = %d, %v", e, got, err)
		}
	}
	if _, err := nas.ParseEdge("3-0"); err == nil {
		t.Error("edge 3-0 accepted")
	}
	for _, op := range nas.Ops() {
		if got, err := nas.ParseOp(op.String()); got != op || err != nil {
			t.Errorf("ParseOp(%q) = %v, %v", op, got, err)
		}
	}
	bad := nas.Cell{0, 0, 0, 9}
	if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), "edge 0-3 holds Op(9)") {
		t.Errorf("got %v", err)
	}
}
