package objective

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
)

func numbers(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(n - 1 - i) // rows may stand in any order
	}
	return out
}

func TestColumn(t *testing.T) {
	full, values := numbers(nas.Size), make([]float64, nas.Size)
	for row, a := range full {
		values[row] = float64(a) / 2
	}
	changed := func(at int, v float64) []float64 {
		out := slices.Clone(values)
		out[at] = v
		return out
	}
	outside := slices.Clone(full)
	outside[7] = nas.Size
	twice := slices.Clone(full)
	twice[7] = twice[8]
	cases := map[string]struct {
		columns []table.Column
		want    []string
	}{
		"good":            {[]table.Column{table.IntColumn("architecture", full), table.FloatColumn("x", values)}, nil},
		"no such column":  {[]table.Column{table.IntColumn("architecture", full), table.FloatColumn("y", values)}, []string{`no column "x"`}},
		"text":            {[]table.Column{table.IntColumn("architecture", full), table.StringColumn("x", make([]string, nas.Size))}, []string{`"x"`}},
		"no architecture": {[]table.Column{table.FloatColumn("x", values)}, []string{"benchmark_table"}},
		"NaN": {
			[]table.Column{table.IntColumn("architecture", full), table.FloatColumn("x", changed(3, math.NaN()))},
			[]string{`column "x"`, "row 4", "architecture 15621"},
		},
		"infinity": {[]table.Column{table.IntColumn("architecture", full), table.FloatColumn("x", changed(3, math.Inf(1)))}, []string{"no finite value"}},
		"outside":  {[]table.Column{table.IntColumn("architecture", outside), table.FloatColumn("x", values)}, []string{"row 8", "15625", "outside"}},
		"twice":    {[]table.Column{table.IntColumn("architecture", twice), table.FloatColumn("x", values)}, []string{"row 9", "twice"}},
		"too few": {
			[]table.Column{table.IntColumn("architecture", full[:nas.Size-1]), table.FloatColumn("x", values[:nas.Size-1])},
			[]string{"15624 of the 15625", "number 0"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			tb, err := table.New(c.columns...)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Column(tb, "x")
			if c.want == nil {
				if err != nil || got[10] != 5 {
					t.Errorf("%v, %v", got[10], err)
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
		})
	}
}

func TestTable(t *testing.T) {
	low, high := make([]float64, nas.Size), make([]float64, nas.Size)
	low[3], high[3] = 1, 2
	fidelities := []Fidelity{{Epochs: 12, Cost: 12}, {Epochs: 200, Cost: 200}}
	o, err := NewTable(fidelities, [][]float64{low, high})
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float64, 2)
	if err := o.Evaluate(t.Context(), []Trial{{3, 1}, {3, 0}}, values); err != nil || !slices.Equal(values, []float64{2, 1}) {
		t.Errorf("values %v, %v", values, err)
	}
	for name, bad := range map[string]struct {
		fidelities []Fidelity
		values     [][]float64
	}{
		"none":        {nil, nil},
		"one missing": {fidelities, [][]float64{low}},
		"short":       {fidelities[:1], [][]float64{low[1:]}},
		"free":        {[]Fidelity{{Epochs: 12}}, [][]float64{low}},
	} {
		if _, err := NewTable(bad.fidelities, bad.values); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got := Oriented([]float64{1, -2}, true); !slices.Equal(got, []float64{-1, 2}) {
		t.Errorf("oriented %v", got)
	}
}
