package tasks

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
)

func stored(t *testing.T, store stagetest.Store, columns ...table.Column) stages.Table {
	t.Helper()
	made, err := table.New(columns...)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := made.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return stages.Table{File: store.File("table", b.Bytes())}
}

// What one column lacks is left out by Load, and NaN after LoadPartial.
func TestMissingValues(t *testing.T) {
	nan := math.NaN()
	store := stagetest.Store{}
	tables := []stages.Table{
		stored(t, store, table.IntColumn("architecture", []int64{7, 3, 5, 9}), table.FloatColumn("a", []float64{1, 2, nan, math.Inf(1)})),
		stored(t, store, table.IntColumn("architecture", []int64{3, 5, 9}), table.FloatColumn("b", []float64{4, 5, nan})),
	}
	whole, err := Load(t.Context(), store, tables, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(whole.Architectures, []int{3}) || whole.Dropped != 3 || whole.Values["b"][0] != 4 {
		t.Errorf("%+v", whole)
	}
	partial, err := LoadPartial(t.Context(), store, tables, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(partial.Architectures, []int{3, 5, 7}) || partial.Dropped != 1 {
		t.Fatalf("%+v", partial)
	}
	if a, b := partial.Values["a"], partial.Values["b"]; a[0] != 2 || a[1] == a[1] || a[2] != 1 || b[1] != 5 || b[2] == b[2] {
		t.Errorf("a %v, b %v", a, b)
	}
	if _, err := LoadPartial(t.Context(), store, tables, []string{"a", "c"}); err == nil {
		t.Error("an unknown column is taken")
	}
}
