package table

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadFrame(t *testing.T) {
	for protocol := 2; protocol <= 5; protocol++ {
		t.Run(fmt.Sprint("protocol ", protocol), func(t *testing.T) {
			sameTable(t, read(t, fmt.Sprintf("frame_p%d.pd", protocol), Options{}),
				IntColumn("architecture", []int64{0, 1, 11}),
				StringColumn("cell", cells(0, 1, 11)),
				FloatColumn("f8", []float64{0.5, nan, -2.25}),
				Column{Name: "text", Kind: String, Strings: []string{"a", "", ""}, Valid: []bool{true, false, true}},
				FloatColumn("f4", []float64{0.25, 1.5, -3}),
				BoolColumn("flag", []bool{true, false, true}),
				IntColumn("i1", []int64{-128, 0, 127}),
				IntColumn("u2", []int64{0, 1, 65535}),
				IntColumn("more", []int64{7, 8, 9}))
		})
	}
	t.Run("row labels", func(t *testing.T) {
		sameTable(t, read(t, "frame_labelled.pd", Options{}),
			StringColumn("key", []string{"p", "q"}), FloatColumn("x", []float64{1, 2}))
	})
	t.Run("numbered columns", func(t *testing.T) {
		sameTable(t, read(t, "frame_numbered.pd", Options{}),
			FloatColumn("0", []float64{0, 2, 4}), FloatColumn("1", []float64{1, 3, 5}))
	})
}

func TestReadArrays(t *testing.T) {
	value := FloatColumn("value", []float64{1.5, -2, nan})
	columns := []Column{IntColumn("c0", []int64{0, 2, 4}), IntColumn("c1", []int64{1, 3, 5})}
	for name, want := range map[string][]Column{
		"array_1d_p2.pickle":      {value},
		"array_1d_p4.pickle":      {value},
		"array_1d_p5.pickle":      {value},
		"array_2d_c.pickle":       columns,
		"array_2d_f.pickle":       columns,
		"array_big_endian.pickle": {IntColumn("value", []int64{1, -2, 300})},
		"array_f2.pickle":         {FloatColumn("value", []float64{1.5})},
		"array_text.pickle":       {StringColumn("value", []string{"ab", "c", "dé"})},
		"list_scalars.pickle":     {FloatColumn("value", []float64{1.5, 2.5})},
		"list_rows.pickle":        {IntColumn("c0", []int64{1, 2}), FloatColumn("c1", []float64{0.5, 1}), StringColumn("c2", []string{"a", "b"})},
		"dict_columns.pickle":     {IntColumn("x", []int64{1, 2}), FloatColumn("y", []float64{0.5, 1.5})},
	} {
		t.Run(name, func(t *testing.T) { sameTable(t, read(t, name, Options{}), want...) })
	}
}

func TestReadNATSRecord(t *testing.T) {
	for _, name := range []string{"nats_record.pickle.pbz2", "nats_full.pickle"} {
		t.Run(name, func(t *testing.T) {
			sameTable(t, read(t, name, Options{Epochs: []int{0, 3}}),
				IntColumn("architecture", []int64{0, 0, 0}),
				StringColumn("architecture_string", cells(0, 0, 0)),
				IntColumn("hp", []int64{12, 200, 200}),
				StringColumn("dataset", []string{"cifar10", "cifar10", "cifar100"}),
				IntColumn("seed", []int64{777, 777, 888}),
				IntColumn("epochs", []int64{2, 4, 4}),
				FloatColumn("params", []float64{0.129306, 0.129306, 0.129306}),
				FloatColumn("flop", []float64{15.64737, 15.64737, 15.64737}),
				FloatColumn("latency", []float64{0.5, 0.5, 0.5}),
				FloatColumn("train_acc1", []float64{787, 807, 918}),
				FloatColumn("train_loss", []float64{0.5, 0.25, 0.25}),
				FloatColumn("train_time", []float64{2.5, 2.5, 2.5}),
				FloatColumn("x-valid_acc1", []float64{nan, nan, 67}),
				FloatColumn("x-valid_loss", []float64{nan, nan, 0.125}),
				FloatColumn("x-valid_time", []float64{nan, nan, 0.5}),
				FloatColumn("x-test_acc1", []float64{nan, nan, 66}),
				FloatColumn("x-test_loss", []float64{nan, nan, 0.125}),
				FloatColumn("x-test_time", []float64{nan, nan, 0.5}),
				FloatColumn("ori-test_acc1", []float64{28, 68, nan}),
				FloatColumn("ori-test_loss", []float64{0.125, 0.125, nan}),
				FloatColumn("ori-test_time", []float64{0.5, 0.5, nan}),
				FloatColumn("train_acc1@0", []float64{777, 777, 888}),
				FloatColumn("x-valid@0", []float64{nan, nan, 7}),
				FloatColumn("x-test@0", []float64{nan, nan, 6}),
				FloatColumn("ori-test@0", []float64{8, 8, nan}),
				FloatColumn("train_acc1@3", []float64{nan, 807, 918}),
				FloatColumn("x-valid@3", []float64{nan, nan, 67}),
				FloatColumn("x-test@3", []float64{nan, nan, 66}),
				FloatColumn("ori-test@3", []float64{nan, 68, nan}))
		})
	}
	t.Run("size search space", func(t *testing.T) {
		tab := read(t, "nats_size_record.pickle", Options{})
		if tab.Columns[0].Name != "size_architecture" || tab.Columns[0].Int64s[0] != 30000 {
			t.Errorf("got %v", tab.Columns[0])
		}
	})
	t.Run("meta", func(t *testing.T) {
		sameTable(t, read(t, "nats_meta.pickle", Options{}),
			IntColumn("architecture", []int64{0, 1}), StringColumn("architecture_string", cells(0, 1)))
	})
}

func TestPickleErrors(t *testing.T) {
	for name, want := range map[string][]string{
		"evil.pickle":           {"evil.pickle", `posix.system", which is not allowed`},
		"loop.pickle":           {"is a list"},
		"nested.pickle":         {"is a tuple"},
		"frame_category.pd":     {"not allowed"},
		"array_3d.pickle":       {"is no table"},
		"list_ragged.pickle":    {"row 2", "1 values, row 1 has 2"},
		"list_mixed.pickle":     {"row 2 is a str"},
		"bomb.pickle.pbz2":      {"more than the 1048576 bytes"},
		"make_fixtures.py.none": nil,
	} {
		if want == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			_, err := Read(name, fixture(t, name), Options{Limits: Limits{MaxBytes: 1 << 20}})
			wantError(t, err, want...)
		})
	}
}

// TestHostilePickles: each would make a trusting reader allocate gigabytes,
// loop or panic.
func TestHostilePickles(t *testing.T) {
	for name, c := range map[string]struct{ data, want string }{
		"empty":           {"", "ends early"},
		"no stop":         {"\x80\x04N", "ends early"},
		"long string":     {"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.", "a value of 9223372036854775807 bytes"},
		"long bytes":      {"\x80\x04B\xff\xff\xff\x7f.", "it ends early"},
		"long frame":      {"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x0f.", "the stack is empty"},
		"huge integer":    {"\x80\x04\x8b\x01\x04\x00\x00" + strings.Repeat("1", 1025) + ".", "an integer of 1025 bytes"},
		"persistent id":   {"\x80\x04NQ.", "not allowed"},
		"extension":       {"\x80\x04\x82\x01.", "not allowed"},
		"many marks":      {"\x80\x04" + strings.Repeat("(", 50_000) + ".", "more than the 2097152 bytes"},
		"many objects":    {"\x80\x04" + strings.Repeat("]", 50_000) + ".", "more than the 2097152 bytes"},
		"empty stack":     {"\x80\x04a.", "stack"},
		"odd dict":        {"\x80\x04(K\x01d.", "a key without a value"},
		"unhashable":      {"\x80\x04\x8f(]\x90(C\x01xd.", ""},
		"one list, many":  {"\x80\x04]\x94(" + strings.Repeat("K\x01", 5000) + "e0](" + strings.Repeat("h\x00", 5000) + "e.", "unfolds to more values"},
		"old global":      {"cos\nsystem\n(S'x'\ntR.", `os.system", which is not allowed`},
		"inst":            {"(S'x'\nios\nsystem\n.", `os.system", which is not allowed`},
		"builtins eval":   {"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", `builtins.eval", which is not allowed`},
		"call of a value": {"\x80\x04K\x01)R.", "call"},
		"scalar":          {"\x80\x04I99999999999999999999\n.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadPickle(name, []byte(c.data), Options{Limits: Limits{MaxBytes: 2 << 20}})
			wantError(t, err, c.want)
		})
	}
	t.Run("instructions", func(t *testing.T) {
		_, err := ReadPickle("x", []byte("\x80\x04NNNNN."), Options{Limits: Limits{MaxOps: 3}})
		wantError(t, err, "more than the 3 instructions")
	})
}

func FuzzPickle(f *testing.F) {
	names, err := filepath.Glob("testdata/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil && !strings.HasSuffix(name, ".py") && len(data) > 0 {
			if plain, _, err := decompress(name, data, 1<<20); err == nil {
				f.Add(plain)
			}
		}
	}
	limits := Limits{MaxBytes: 1 << 20, MaxOps: 100_000, MaxRows: 100_000}
	f.Fuzz(func(t *testing.T, data []byte) {
		tab, err := ReadPickle("x.pickle", data, Options{Limits: limits, Epochs: []int{1}})
		if err == nil {
			encoded(t, tab)
		}
	})
}
