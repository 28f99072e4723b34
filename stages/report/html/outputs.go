package html

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/nbpipe/nbpipe/cache"
)

// Bounds of what the page shows of outputs; `nbpipe show --json` prints all.
const (
	maxRows     = 200
	maxColumns  = 40
	openRows    = 8    // tables up to this length are not folded
	maxCell     = 300  // characters
	maxRaw      = 8000 // bytes of JSON shown as such
	maxNesting  = 4    // keys above a record
	maxListText = 40   // elements of a list in a cell
)

// block is one output, or one group of small outputs, as the page shows it.
type block struct {
	Name  string
	Count string // "20 rows"
	Open  bool
	Table *table
	Raw   string // JSON, where no table fits
}

type table struct {
	Heads []head
	Keys  int // leading columns that name the row
	Rows  [][]cell
	More  int // rows left out
	Heat  bool
}

// head is a column's heading; Num columns are set flush right.
type head struct {
	Text string
	Num  bool
}

type cell struct {
	Text  string
	Exact string // all digits, for a tooltip
	Num   bool
	Key   bool
	Class string // of the heat map; "again" for a key that the row above has, too
}

// artifact is a file among outputs or attributes.
type artifact struct {
	Path   string // output name, with members below it
	Name   string // file name
	Digest string
	Short  string
	Size   string
	Table  bool
	Tree   bool

	object cache.Object
}

// decode reads JSON without losing digits; nil if it is none.
func decode(raw json.RawMessage) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// asArtifact reads the {"$file": ...} and {"$table": ...} of stages.EncodeJSON.
func asArtifact(v any) (artifact, bool) {
	m, ok := v.(map[string]any)
	if !ok || len(m) != 1 {
		return artifact{}, false
	}
	inner, isTable := m["$table"]
	if !isTable {
		inner, ok = m["$file"]
	}
	if !ok {
		return artifact{}, false
	}
	raw, err := json.Marshal(inner)
	if err != nil {
		return artifact{}, false
	}
	var doc struct {
		cache.Object
		Name string `json:"name"`
	}
	if json.Unmarshal(raw, &doc) != nil {
		return artifact{}, false
	}
	return artifact{
		Name: clean(doc.Name), Digest: doc.Digest.String(), Short: doc.Digest.Short(), Size: byteSize(doc.Size),
		Table: isTable, Tree: doc.Tree, object: doc.Object,
	}, true
}

// artifacts lists every file within a value, by path.
func artifacts(path string, v any) []artifact {
	if a, ok := asArtifact(v); ok {
		a.Path = clean(path)
		return []artifact{a}
	}
	var out []artifact
	for _, m := range members(v) {
		p := m.key
		if path != "" {
			p = path + "." + p
		}
		out = append(out, artifacts(p, m.value)...)
	}
	return out
}

type entry struct {
	key   string
	value any
}

// members lists an object's members in natural order of names, or a list's
// elements by index; nothing for anything else.
func members(v any) []entry {
	var out []entry
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			out = append(out, entry{k, e})
		}
		slices.SortFunc(out, func(a, b entry) int { return natural(a.key, b.key) })
	case []any:
		for i, e := range v {
			out = append(out, entry{strconv.Itoa(i), e})
		}
	}
	return out
}

// blocks shows a node's outputs: small values in one table, every other output
// in a table of its own. Files are left to artifacts.
func blocks(raw json.RawMessage) []block {
	var out []block
	var scalars [][]cell
	for _, m := range members(decode(raw)) {
		switch {
		case isScalar(m.value):
			scalars = append(scalars, []cell{{Text: clean(m.key), Key: true}, scalarCell(m.value, -1)})
		case allFiles(m.value):
		default:
			out = append(out, blockOf(m.key, m.value))
		}
	}
	if len(scalars) > 0 {
		t := &table{Heads: []head{{Text: "output"}, {Text: "value"}}, Keys: 1, Rows: scalars}
		out = append([]block{{Name: "values", Table: t, Open: true}}, out...)
	}
	return out
}

func allFiles(v any) bool {
	if _, ok := asArtifact(v); ok {
		return true
	}
	ms := members(v)
	for _, m := range ms {
		if !allFiles(m.value) {
			return false
		}
	}
	return len(ms) > 0
}

func blockOf(name string, v any) block {
	b := block{Name: clean(name)}
	if t := tableOf(v); t != nil {
		b.Table = t
		rows := len(t.Rows) + t.More
		b.Count = fmt.Sprintf("%d %s", rows, plural(rows, "row", "rows"))
		b.Open = rows <= openRows
		return b
	}
	b.Raw, b.Count = pretty(v), "JSON"
	return b
}

// pretty writes a value as JSON, on several lines if it is small.
func pretty(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return "not shown"
	}
	var b bytes.Buffer
	if len(raw) <= maxRaw && nesting(v, 32) < 32 && json.Indent(&b, raw, "", "  ") == nil {
		raw = b.Bytes()
	}
	return clipBytes(clean(string(raw)), maxRaw)
}

// nesting is how deep v is nested, at most limit.
func nesting(v any, limit int) int {
	deepest := 0
	if limit > 0 {
		for _, m := range members(v) {
			deepest = max(deepest, 1+nesting(m.value, limit-1))
		}
	}
	return deepest
}

func clipBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "\n… (cut; nbpipe show --json prints all)"
}

// record is a row before it is formatted: its keys, and its fields by name.
type record struct {
	keys   []string
	fields map[string]any
}

// tableOf makes a table of nested objects whose innermost level has scalars:
// statistics by task, by task and operation, numbers by task and task. It
// returns nil where the nesting is irregular.
func tableOf(v any) *table {
	if flat := flatRow(v); flat != nil {
		return flat
	}
	depth, ok := recordDepth(v)
	if !ok || depth > maxNesting {
		return nil
	}
	var recs []record
	collect(v, depth, nil, &recs)
	columns := columnsOf(recs)
	if len(columns) > maxColumns {
		return nil
	}
	return format(recs, columns, depth)
}

// flatRow handles an output that has no key level: one record of statistics, a
// number per name, or a list.
func flatRow(v any) *table {
	if l, ok := v.([]any); ok && allScalars(v) {
		return &table{Heads: []head{{Text: "values"}}, Rows: [][]cell{{{Text: listText(l)}}}}
	}
	if m, ok := v.(map[string]any); !ok || len(m) == 0 || !allScalars(v) {
		return nil
	} else if hasStatistic(m) {
		return format([]record{{fields: m}}, columnsOf([]record{{fields: m}}), 0)
	}
	var recs []record
	for _, m := range members(v) {
		recs = append(recs, record{keys: []string{m.key}, fields: map[string]any{"value": m.value}})
	}
	return format(recs, []string{"value"}, 1)
}

func allScalars(v any) bool {
	for _, m := range members(v) {
		if !isScalar(m.value) {
			return false
		}
	}
	return true
}

// recordDepth is the number of keys above the records of v, if it is the same
// everywhere. A null or missing record counts as any depth.
func recordDepth(v any) (int, bool) {
	ms := members(v)
	if len(ms) == 0 {
		return 0, false
	}
	if _, isFile := asArtifact(v); isFile {
		return 0, false
	}
	if isRecord(v) {
		return 0, true
	}
	depth := -1
	for _, m := range ms {
		if m.value == nil {
			continue
		}
		d, ok := recordDepth(m.value)
		if !ok || (depth >= 0 && d != depth) {
			return 0, false
		}
		depth = d
	}
	return depth + 1, depth >= 0
}

// isRecord: every member is a scalar or a list of scalars, and one is not null.
func isRecord(v any) bool {
	some := false
	for _, m := range members(v) {
		if _, list := m.value.([]any); !isScalar(m.value) && (!list || !allScalars(m.value)) {
			return false
		}
		some = some || m.value != nil
	}
	return some
}

func collect(v any, depth int, keys []string, out *[]record) {
	if depth == 0 {
		fields := map[string]any{}
		for _, m := range members(v) {
			fields[m.key] = m.value
		}
		*out = append(*out, record{keys: slices.Clone(keys), fields: fields})
		return
	}
	for _, m := range members(v) {
		if m.value != nil {
			collect(m.value, depth-1, append(keys, m.key), out)
		}
	}
}

// The order of fields that statistics have; others follow by name.
var fieldOrder = []string{"index", "architecture", "n", "k", "value", "chance", "ci_low", "ci_high", "p", "log10_p", "min", "whisker_low",
	"q1", "median", "q3", "whisker_high", "max", "mean", "sd"}

func hasStatistic(m map[string]any) bool {
	for k := range m {
		if slices.Contains(fieldOrder, k) {
			return true
		}
	}
	return false
}

func columnsOf(recs []record) []string {
	seen := map[string]bool{}
	var cols []string
	for _, r := range recs {
		for k := range r.fields {
			if !seen[k] {
				seen[k] = true
				cols = append(cols, k)
			}
		}
	}
	rank := func(k string) int {
		if i := slices.Index(fieldOrder, k); i >= 0 {
			return i
		}
		return len(fieldOrder)
	}
	slices.SortFunc(cols, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return natural(a, b)
	})
	return cols
}

// column is one column of a table: the fields it shows, and how.
type column struct {
	head     string
	field    string
	decimals int // -1: each cell by itself
	show     func(record, column) cell
}

func format(recs []record, fields []string, keys int) *table {
	cols := layout(recs, fields)
	t := &table{Keys: keys}
	for range keys {
		t.Heads = append(t.Heads, head{})
	}
	for _, c := range cols {
		t.Heads = append(t.Heads, head{Text: c.head})
	}
	if len(recs) > maxRows {
		t.More = len(recs) - maxRows
		recs = recs[:maxRows]
	}
	for _, r := range recs {
		row := make([]cell, 0, len(t.Heads))
		for i, k := range r.keys {
			c := cell{Text: clip(clean(k), maxCell), Key: true}
			if n := len(t.Rows); i < len(r.keys)-1 && n > 0 && slices.Equal(recs[n-1].keys[:i+1], r.keys[:i+1]) {
				c.Class = "again"
			}
			row = append(row, c)
		}
		for i, c := range cols {
			v := c.show(r, c)
			t.Heads[keys+i].Num = t.Heads[keys+i].Num || v.Num
			row = append(row, v)
		}
		t.Rows = append(t.Rows, row)
	}
	heat(t, recs, fields)
	return t
}

// layout merges fields that belong together: an interval's ends, a p-value and
// its logarithm.
func layout(recs []record, fields []string) []column {
	has := func(f string) bool { return slices.Contains(fields, f) }
	var cols []column
	for _, f := range fields {
		c := column{head: clean(f), field: f, decimals: columnDecimals(recs, f), show: showField}
		switch {
		case f == "ci_low" && has("ci_high"):
			c.head, c.show = "interval", showInterval
			c.decimals = columnDecimals(recs, "ci_low", "ci_high", "value")
		case f == "ci_high" && has("ci_low"), f == "log10_p" && has("p"):
			continue
		case f == "value" && has("ci_low") && has("ci_high"):
			c.decimals = columnDecimals(recs, "ci_low", "ci_high", "value")
		case f == "p":
			c.show = showP
		case f == "log10_p":
			c.head = "log10 p"
		case strings.HasPrefix(f, "whisker_"):
			c.head = strings.ReplaceAll(f, "_", " ")
		}
		cols = append(cols, c)
	}
	return cols
}

// columnDecimals gives the column's largest number four significant digits, but
// no zeros that no number needs; -1 where the numbers span too much for one
// precision.
func columnDecimals(recs []record, fields ...string) int {
	lo, hi, whole, needed := math.Inf(1), 0.0, true, 0
	for _, r := range recs {
		for _, f := range fields {
			x, ok := number(r.fields[f])
			if !ok || math.IsInf(x, 0) {
				continue
			}
			whole = whole && isWhole(x)
			needed = max(needed, decimalsOf(x))
			if a := math.Abs(x); a > 0 {
				lo, hi = min(lo, a), max(hi, a)
			}
		}
	}
	switch {
	case whole:
		return 0
	case hi >= 1e6 || hi < 1e-6 || hi/lo > 1e6:
		return -1
	}
	return min(max(0, 3-int(math.Floor(math.Log10(hi)))), needed, 9)
}

func showField(r record, c column) cell {
	v, ok := r.fields[c.field]
	if !ok {
		return cell{Text: ""}
	}
	return scalarCell(v, c.decimals)
}

func showInterval(r record, c column) cell {
	lo, okLow := number(r.fields["ci_low"])
	hi, okHigh := number(r.fields["ci_high"])
	if !okLow || !okHigh {
		return cell{Text: "–", Num: true}
	}
	one := func(x float64) string {
		if c.decimals < 0 {
			return loose(x)
		}
		return fixed(x, c.decimals)
	}
	return cell{Text: "[" + one(lo) + ", " + one(hi) + "]", Exact: "[" + exact(lo) + ", " + exact(hi) + "]", Num: true}
}

// showP writes a p-value with two digits, from its logarithm where it
// underflows.
func showP(r record, _ column) cell {
	p, ok := number(r.fields["p"])
	lg, okLog := number(r.fields["log10_p"])
	switch {
	case okLog && (lg < -300 || p == 0) && !math.IsInf(lg, 0):
		return cell{Text: "1e" + minus(strconv.Itoa(int(math.Round(lg)))), Exact: "log10 p = " + exact(lg), Num: true}
	case !ok:
		return cell{Text: "–", Num: true}
	case p == 0:
		return cell{Text: "< 1e−300", Exact: "0", Num: true}
	case p < 1e-3:
		return cell{Text: scientific(p, 2), Exact: exact(p), Num: true}
	}
	return cell{Text: fixed(p, 3), Exact: exact(p), Num: true}
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case string: // stages.EncodeJSON writes infinities so
		if v == "Inf" || v == "-Inf" {
			f, err := strconv.ParseFloat(v, 64)
			return f, err == nil
		}
	}
	return 0, false
}

func isScalar(v any) bool {
	switch v.(type) {
	case nil, bool, string, json.Number:
		return true
	}
	return false
}

// scalarCell shows a scalar or a list of scalars.
func scalarCell(v any, decimals int) cell {
	if x, ok := number(v); ok {
		c := cell{Text: loose(x), Exact: exact(x), Num: true}
		if decimals >= 0 {
			c.Text = fixed(x, decimals)
		}
		return c
	}
	switch v := v.(type) {
	case nil:
		return cell{Text: "–", Exact: "null (not a number)", Num: true}
	case bool:
		return cell{Text: strconv.FormatBool(v)}
	case string:
		return cell{Text: clip(clean(v), maxCell)}
	case json.Number: // beyond float64
		return cell{Text: clip(string(v), maxCell), Num: true}
	case []any:
		return cell{Text: listText(v)}
	}
	return cell{}
}

func listText(l []any) string {
	var parts []string
	for i, e := range l {
		if i == maxListText {
			parts = append(parts, fmt.Sprintf("… (%d in all)", len(l)))
			break
		}
		parts = append(parts, scalarCell(e, -1).Text)
	}
	return strings.Join(parts, ", ")
}

// loose writes a number by itself: whole numbers as they are, others with four
// significant digits.
func loose(x float64) string {
	a := math.Abs(x)
	switch {
	case isWhole(x):
		return fixed(x, 0)
	case math.IsInf(x, 0):
		return fixed(x, 0)
	case a < 1e-4 || a >= 1e6:
		return scientific(x, 4)
	}
	return fixed(x, max(0, 3-int(math.Floor(math.Log10(a)))))
}

// heat colours a matrix: at least two by two, only numbers, names of columns
// that are no statistics, and columns of one magnitude.
func heat(t *table, recs []record, fields []string) {
	if t.Keys == 0 || len(recs) < 2 || len(fields) < 2 {
		return
	}
	largest := math.Inf(-1)
	smallest := math.Inf(1)
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, f := range fields {
		if slices.Contains(fieldOrder, f) {
			return
		}
		top := 0.0
		for _, r := range recs {
			x, ok := number(r.fields[f])
			if v := r.fields[f]; !ok && v != nil || math.IsInf(x, 0) {
				return
			}
			if ok {
				lo, hi, top = min(lo, x), max(hi, x), max(top, math.Abs(x))
			}
		}
		largest, smallest = max(largest, top), min(smallest, top)
	}
	if hi <= lo || smallest <= 0 || largest/smallest > 50 {
		return
	}
	t.Heat = true
	for i, r := range recs {
		for j, f := range fields {
			if x, ok := number(r.fields[f]); ok {
				t.Rows[i][t.Keys+j].Class = heatClass(x, lo, hi)
			}
		}
	}
}

// heatClass names one of nine steps: h1 to h8 upwards from h0; where the values
// have both signs, negative ones go down to n8.
func heatClass(x, lo, hi float64) string {
	step := func(f float64) string { return strconv.Itoa(int(math.Round(min(max(f, 0), 1) * 8))) }
	if lo >= 0 || hi <= 0 {
		return "h" + step((x/2-lo/2)/(hi/2-lo/2))
	}
	top := max(hi, -lo)
	if x < 0 {
		return "n" + step(-x/top)
	}
	return "h" + step(x/top)
}
