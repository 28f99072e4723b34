package table

import (
	"errors"
	"fmt"
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
	if state, ok := sequence(o.state); ok && len(state) >= 4 { // (axes, values, items, {"0.14.1": ...})
		extra, _ := asDict(state[3])
		if inner, ok := extra.get("0.14.1"); ok {
			d, _ := asDict(inner)
			axisList, _ = d.get("axes")
			blockList, _ = d.get("blocks")
		}
	} else if len(o.args) >= 2 { // BlockManager(blocks, axes)
		blockList, axisList = o.args[0], o.args[1]
	}
	a, _ := sequence(axisList)
	b, _ := sequence(blockList)
	if len(a) != 2 {
		return axes, nil, fmt.Errorf("%d axes; frames have 2", len(a))
	}
	for i := range axes {
		index, ok := a[i].(*object)
		if !ok {
			return axes, nil, fmt.Errorf("axis %d is %s", i+1, describe(a[i]))
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
			return axes, nil, fmt.Errorf("block %d is %s", i+1, describe(item))
		}
		blocks = append(blocks, one)
	}
	return axes, blocks, nil
}

// fill reads the block's columns into their places.
func (b *block) fill(columns []Column, filled []bool, names []any, q *quota) error {
	values, ok := b.values.(*ndarray)
	if !ok || len(values.shape) != 2 {
		return fmt.Errorf("its values are %s, not a plain two-dimensional array; extension types cannot be read", describe(b.values))
	}
	places, err := b.columns(len(columns))
	if err != nil {
		return err
	}
	if len(places) != values.shape[0] {
		return fmt.Errorf("%d columns have %d places", values.shape[0], len(places))
	}
	for k, j := range places {
		if filled[j] {
			return fmt.Errorf("column %d is there twice", j+1)
		}
		items, err := values.line(k, true)
		if err != nil {
			return err
		}
		for i, v := range items {
			if f, ok := v.(float64); ok && f != f && values.dtype.code == 'O' {
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
	case span:
		for i := p.start; (p.step > 0 && i < p.stop) || (p.step < 0 && i > p.stop); i += p.step {
			if out = append(out, i); i < 0 || i >= n {
				break // refused below
			}
		}
	case *ndarray:
		items, err := p.line(0, true)
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
		return nil, fmt.Errorf("its places are %s", describe(b.places))
	}
	for _, i := range out {
		if i < 0 || i >= n {
			return nil, fmt.Errorf("place %d of %d", i+1, n)
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
	a, ok := data.(*ndarray)
	if !ok || len(a.shape) != 1 {
		return nil, fmt.Errorf("an index of %s cannot be read", describe(data))
	}
	return a.line(0, true)
}

func rangeLabels(state dict) ([]any, error) {
	var bounds [3]int
	for i, key := range []string{"start", "stop", "step"} {
		v, _ := state.get(key)
		n, ok := v.(int)
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
