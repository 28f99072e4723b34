package tasks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
)

// Set holds the values of tasks for the same architectures.
type Set struct {
	Names         []string             // of the tasks
	Architectures []int                // numbers in the benchmark's order, ascending
	Values        map[string][]float64 // by task; one finite value an architecture, but see LoadPartial
	Dropped       int                  // architectures left out since some task has no finite value
}

// Load reads the named columns from the tables, wherever they stand, and keeps
// the architectures that have a finite value in each.
func Load(ctx context.Context, store stages.InputStore, tables []stages.Table, names []string) (*Set, error) {
	read, err := decode(ctx, store, tables)
	if err != nil {
		return nil, err
	}
	return Gather(read, names)
}

// LoadPartial is Load, but keeps the architectures that have a finite value in any
// of the columns; a value that is missing, or not finite, is NaN.
func LoadPartial(ctx context.Context, store stages.InputStore, tables []stages.Table, names []string) (*Set, error) {
	read, err := decode(ctx, store, tables)
	if err != nil {
		return nil, err
	}
	return gather(read, names, anywhere)
}

// Columns reads the named columns as they stand, by architecture: values may be NaN or
// infinite, and an architecture without a row has none.
func Columns(ctx context.Context, store stages.InputStore, tables []stages.Table, names []string) (map[string]map[int]float64, error) {
	read, err := decode(ctx, store, tables)
	if err != nil {
		return nil, err
	}
	out := make(map[string]map[int]float64, len(names))
	for _, name := range names {
		if out[name], err = find(read, name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Keep is the set of the architectures at the positions, which ascend.
func (s *Set) Keep(at []int) *Set {
	out := &Set{Names: s.Names, Dropped: s.Dropped, Values: make(map[string][]float64, len(s.Values))}
	for _, p := range at {
		out.Architectures = append(out.Architectures, s.Architectures[p])
	}
	for name, values := range s.Values {
		out.Values[name] = Pick(values, at)
	}
	return out
}

func decode(ctx context.Context, store stages.InputStore, tables []stages.Table) ([]*table.Table, error) {
	read := make([]*table.Table, len(tables))
	for i, f := range tables {
		data, err := store.ReadAll(ctx, f.File)
		if err != nil {
			return nil, fmt.Errorf("reading table %d of %d: %w", i+1, len(tables), err)
		}
		if read[i], err = table.Decode(data); err != nil {
			return nil, fmt.Errorf("table %d of %d: %w", i+1, len(tables), err)
		}
	}
	return read, nil
}

// Gather is Load for tables in memory.
func Gather(tables []*table.Table, names []string) (*Set, error) {
	s, err := gather(tables, names, everywhere)
	if err == nil && len(s.Architectures) == 0 {
		return nil, fmt.Errorf("no architecture has a finite value in each of the columns %s", strings.Join(names, ", "))
	}
	return s, err
}

// gather keeps the architectures that the predicate accepts.
func gather(tables []*table.Table, names []string, keep func(map[string]map[int]float64, []string, int) bool) (*Set, error) {
	values := make(map[string]map[int]float64, len(names))
	seen := map[int]bool{}
	for _, name := range names {
		column, err := find(tables, name)
		if err != nil {
			return nil, err
		}
		values[name] = column
		for a := range column {
			seen[a] = true
		}
	}
	s := &Set{Names: names, Values: make(map[string][]float64, len(names))}
	for a := range nas.Size {
		if !seen[a] {
			continue
		}
		if !keep(values, names, a) {
			s.Dropped++
			continue
		}
		s.Architectures = append(s.Architectures, a)
		for _, name := range names {
			v := math.NaN()
			if has(values[name], a) {
				v = values[name][a]
			}
			s.Values[name] = append(s.Values[name], v)
		}
	}
	return s, nil
}

func everywhere(values map[string]map[int]float64, names []string, a int) bool {
	for _, name := range names {
		if !has(values[name], a) {
			return false
		}
	}
	return true
}

func anywhere(values map[string]map[int]float64, names []string, a int) bool {
	return slices.ContainsFunc(names, func(name string) bool { return has(values[name], a) })
}

// has reports whether the architecture has a finite value.
func has(column map[int]float64, a int) bool {
	v, ok := column[a]
	return ok && !math.IsNaN(v) && !math.IsInf(v, 0)
}

// find returns a column by architecture. It must stand in exactly one table.
func find(tables []*table.Table, name string) (map[int]float64, error) {
	var holder *table.Table
	at := 0
	for i, t := range tables {
		if !t.Has(name) {
			continue
		}
		if holder != nil {
			return nil, fmt.Errorf("column %q is in tables %d and %d; rename or drop one in its preprocess block", name, at, i+1)
		}
		holder, at = t, i+1
	}
	if holder == nil {
		return nil, missing(tables, name)
	}
	out, err := byArchitecture(holder, name)
	if err != nil {
		return nil, fmt.Errorf("table %d: %w", at, err)
	}
	return out, nil
}

// missing says which columns there are, and which of them was probably meant.
func missing(tables []*table.Table, name string) error {
	all := &table.Table{}
	for _, t := range tables {
		for _, c := range t.Columns {
			if c.Name != table.Architecture {
				all.Columns = append(all.Columns, table.Column{Name: c.Name})
			}
		}
	}
	if len(all.Columns) == 0 {
		return fmt.Errorf("no column %q: the tables have no columns of values", name)
	}
	_, err := all.Column(name)
	return err
}

func byArchitecture(t *table.Table, name string) (map[int]float64, error) {
	if !t.Has(table.Architecture) {
		return nil, fmt.Errorf("it has no column %q, so its rows cannot be told apart; preprocess \"benchmark_table\" makes one", table.Architecture)
	}
	numbers, err := t.Int64s(table.Architecture)
	if err != nil {
		return nil, err
	}
	values, err := t.Float64s(name)
	if err != nil {
		return nil, err
	}
	out := make(map[int]float64, len(values))
	for i, a := range numbers {
		if err := nas.CheckIndex(a); err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		if _, twice := out[int(a)]; twice {
			return nil, fmt.Errorf("row %d: architecture %d occurs twice; filter the rows first", i+1, a)
		}
		out[int(a)] = values[i]
	}
	return out, nil
}

// Classes labels each architecture with its isomorphism class (equal unique
// strings; NAS-Bench-201, section 2).
func (s *Set) Classes() []int {
	classOf, _ := nas.Classes()
	out := make([]int, len(s.Architectures))
	for i, a := range s.Architectures {
		out[i] = classOf[a]
	}
	return out
}

// Members lists the positions in Architectures of each class, classes by their
// smallest architecture, members ascending.
func (s *Set) Members() [][]int {
	at := map[int]int{}
	var out [][]int
	for i, class := range s.Classes() {
		n, ok := at[class]
		if !ok {
			n = len(out)
			at[class] = n
			out = append(out, nil)
		}
		out[n] = append(out[n], i)
	}
	return out
}

// Lower returns a task's values turned so that lower is better, as they are and
// rounded to multiples of 1/denominator. better is "higher" where they are to be
// turned; a denominator of 0 rounds nothing.
func (s *Set) Lower(name, better string, denominator float64) (raw, rounded []float64) {
	sign := 1.0
	if better == "higher" {
		sign = -1
	}
	raw, rounded = make([]float64, len(s.Architectures)), make([]float64, len(s.Architectures))
	for i, v := range s.Values[name] {
		raw[i], rounded[i] = sign*v, sign*v
		if denominator > 0 {
			rounded[i] = sign * math.Round(v*denominator) / denominator
		}
	}
	return raw, rounded
}

// Pick returns the values at the positions.
func Pick(values []float64, at []int) []float64 {
	out := make([]float64, len(at))
	for i, p := range at {
		out[i] = values[p]
	}
	return out
}

// Order returns the positions by ascending value; equal values by position,
// which is by architecture.
func Order(values []float64) []int {
	out := make([]int, len(values))
	for i := range out {
		out[i] = i
	}
	slices.SortStableFunc(out, func(a, b int) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return 0
	})
	return out
}

// ErrNoTables says that a hypothesis was given nothing to look at.
var ErrNoTables = errors.New("tables is empty: name at least one table, such as [preprocess.vision.table]")
