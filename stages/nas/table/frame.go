package table

import (
	"errors"
	"fmt"

	"github.com/nbpipe/nbpipe/stages/pickle"
)

// frameTable reads a pandas DataFrame: a block manager of axes (columns, rows)
// and blocks, each an array of columns x rows. Older pandas writes the manager's
// state as (axes, ...) with a dict of blocks, newer one as (blocks, axes).
func frameTable(frame *object, q *quota) (*Table, error) {
	state, ok := asDict(frame.state)
	if !ok {
		return nil, errors.New("DataFrame: it has no state")
	}
	found, ok := state.get("_mgr")
	if !ok {
		found, _ = state.get("_data")
	}
	manager, ok := found.(*object)
	if !ok || manager.class != "BlockManager" {
		return nil, errors.New("DataFrame: it has no block manager")
	}
	axes, blocks, err := manager.parts()
	if err != nil {
		return nil, fmt.Errorf("DataFrame: %w", err)
	}
	names, err := axes[0].labels()
	if err != nil {
		return nil, fmt.Errorf("DataFrame: names of columns: %w", err)
	}
	t := &Table{Columns: make([]Column, len(names))}
	filled := make([]bool, len(names))
	for i, b := range blocks {
		if err := b.fill(t.Columns, filled, names, q); err != nil {
			return nil, fmt.Errorf("DataFrame: block %d: %w", i+1, err)
		}
	}
	for j, ok := range filled {
		if !ok {
			return nil, fmt.Errorf("DataFrame: column %q has no values", clip(fmt.Sprint(names[j])))
		}
		t.Rows = t.Columns[0].Len()
	}
	return withRowLabels(t, axes[1], q)
}

// parts returns the two axes and the blocks of a manager.
func (o *object) parts() (axes [2]*object, blocks []*block, err error) {
	var axisList, blockList any
	if state, ok := pickle.Sequence(o.state); ok && len(state) >= 4 { // (axes, values, items, {"0.14.1": ...})
		extra, _ := asDict(state[3])
		if inner, ok := extra.get("0.14.1"); ok {
			d, _ := asDict(inner)
			axisList, _ = d.get("axes")
			blockList, _ = d.get("blocks")
		}
	} else if len(o.args) >= 2 { // BlockManager(blocks, axes)
		blockList, axisList = o.args[0], o.args[1]
	}
	a, _ := pickle.Sequence(axisList)
	b, _ := pickle.Sequence(blockList)
	if len(a) != 2 {
		return axes, nil, fmt.Errorf("%d axes; frames have 2", len(a))
	}
	for i := range axes {
		index, ok := a[i].(*object)
		if !ok {
			return axes, nil, fmt.Errorf("axis %d is %s", i+1, pickle.Describe(a[i]))
		}
		axes[i] = index
	}
	for i, item := range b {
		one, ok := item.(*block)
		if d, isDict := asDict(item); isDict {
			values, _ := d.get("values")
			places, _ := d.get("mgr_locs")
			one, ok = &block{values, places}, true
		}
		if !ok {
			return axes, nil, fmt.Errorf("block %d is %s", i+1, pickle.Describe(item))
		}
		blocks = append(blocks, one)
	}
	return axes, blocks, nil
}

// fill reads the block's columns into their places.
func (b *block) fill(columns []Column, filled []bool, names []any, q *quota) error {
	values, ok := b.values.(*pickle.Array)
	if !ok || len(values.Shape) != 2 {
		return fmt.Errorf("its values are %s, not a plain two-dimensional array; extension types cannot be read", pickle.Describe(b.values))
	}
	places, err := b.columns(len(columns))
	if err != nil {
		return err
	}
	if len(places) != values.Shape[0] {
		return fmt.Errorf("%d columns have %d places", values.Shape[0], len(places))
	}
	for k, j := range places {
		if filled[j] {
			return fmt.Errorf("column %d is there twice", j+1)
		}
		items, err := line(values, k, true)
		if err != nil {
			return err
		}
		for i, v := range items {
			if f, ok := v.(float64); ok && f != f && values.Code == 'O' {
				items[i] = nil // NaN stands for a missing text
			}
		}
		if columns[j], err = columnOf(labelText(names[j]), items, q); err != nil {
			return err
		}
		filled[j] = true
	}
	return nil
}

// columns returns the positions of the block's columns, each below n.
func (b *block) columns(n int) ([]int, error) {
	var out []int
	switch p := b.places.(type) {
	case pickle.Slice:
		var err error
		if out, err = span(p, n); err != nil {
			return nil, err
		}
	case *pickle.Array:
		items, err := line(p, 0, true)
		if err != nil {
			return nil, err
		}
		for _, v := range items {
			i, _ := integer(v)
			if _, isInt := integer(v); !isInt {
				return nil, errors.New("its places are not integers")
			}
			out = append(out, int(i))
		}
	default:
		return nil, fmt.Errorf("its places are %s", pickle.Describe(b.places))
	}
	for _, i := range out {
		if i < 0 || i >= n {
			return nil, fmt.Errorf("place %d of %d", i+1, n)
		}
	}
	return out, nil
}

// span are the numbers of a slice, one beyond 0 to n-1 at most.
func span(s pickle.Slice, n int) ([]int, error) {
	start, ok1 := s.Start.(int64)
	stop, ok2 := s.Stop.(int64)
	step, ok3 := s.Step.(int64)
	if s.Stop == nil { // down to the first
		stop, ok2 = -1, true
	}
	if s.Step == nil {
		step, ok3 = 1, true
	}
	if !ok1 || !ok2 || !ok3 || step == 0 || max(start, -start, stop, -stop, step, -step) > 1<<32 {
		return nil, errors.New("its places are a slice without bounds")
	}
	var out []int
	for i := start; (step > 0 && i < stop) || (step < 0 && i > stop); i += step {
		if out = append(out, int(i)); i < 0 || i >= int64(n) {
			break // refused below
		}
	}
	return out, nil
}

// labels returns an index's labels: text or integers.
func (o *object) labels() ([]any, error) {
	state, ok := asDict(o.state)
	if !ok {
		return nil, fmt.Errorf("an index of kind %s cannot be read", o.class)
	}
	if o.class == "RangeIndex" {
		return rangeLabels(state)
	}
	data, _ := state.get("data")
	a, ok := data.(*pickle.Array)
	if !ok || len(a.Shape) != 1 {
		return nil, fmt.Errorf("an index of %s cannot be read", pickle.Describe(data))
	}
	return line(a, 0, true)
}

func rangeLabels(state dict) ([]any, error) {
	var bounds [3]int64
	for i, key := range []string{"start", "stop", "step"} {
		v, _ := state.get(key)
		n, ok := v.(int64)
		if !ok {
			return nil, errors.New("a range without bounds")
		}
		bounds[i] = n
	}
	if bounds[2] <= 0 || bounds[0] < 0 || bounds[1] > maxColumns {
		return nil, fmt.Errorf("a range of %d to %d by %d", bounds[0], bounds[1], bounds[2])
	}
	var out []any
	for i := bounds[0]; i < bounds[1]; i += bounds[2] {
		out = append(out, i)
	}
	return out, nil
}

func labelText(label any) string {
	if s, ok := label.(string); ok {
		return s
	}
	return fmt.Sprint(label)
}

// withRowLabels adds row labels that are not just counted as the column of
// their name, or index.
func withRowLabels(t *Table, rows *object, q *quota) (*Table, error) {
	if rows.class == "RangeIndex" {
		return t, t.Validate()
	}
	labels, err := rows.labels()
	if err != nil {
		return nil, fmt.Errorf("DataFrame: row labels: %w", err)
	}
	name := "index"
	if state, ok := asDict(rows.state); ok {
		if v, _ := state.get("name"); v != nil {
			name = labelText(v)
		}
	}
	c, err := columnOf(name, labels, q)
	if err != nil {
		return nil, err
	}
	if len(t.Columns) == 0 {
		t.Rows = c.Len()
	}
	t.Columns = append([]Column{c}, t.Columns...)
	return t, t.Validate()
}
