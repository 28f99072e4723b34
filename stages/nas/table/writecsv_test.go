package table

import (
	"bytes"
	"math"
	"testing"
)

func TestWriteCSV(t *testing.T) {
	broken := IntColumn("n", []int64{1, -2, 3})
	broken.Valid = []bool{true, false, true}
	in := &Table{Rows: 3, Columns: []Column{
		IntColumn("architecture", []int64{0, 1, 1 << 60}),
		FloatColumn("error", []float64{0.1, math.NaN(), 1e-300}),
		StringColumn("cell", []string{"|a~0|", "with, comma", "a \"quote\""}),
		BoolColumn("reachable", []bool{true, false, true}),
		broken,
	}}
	var b bytes.Buffer
	if err := in.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	want := `architecture,error,cell,reachable,n
0,0.1,|a~0|,true,1
1,,"with, comma",false,
1152921504606846976,1e-300,"a ""quote""",true,3
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	back, err := ReadCSV("x.csv", b.Bytes(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if back.Rows != 3 || back.Columns[1].Float64s[2] != 1e-300 || !math.IsNaN(back.Columns[1].Float64s[1]) || back.Columns[0].Int64s[2] != 1<<60 {
		t.Errorf("read back as %+v", back)
	}
}
