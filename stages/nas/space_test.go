package nas_test

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/stages/internal/mirror"
	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/nas/table"
)

// The digests of the newline-joined official list (meta_archs of
// NATS-tss-v1_0-3ffb9-simple) and of the UniqueString column of
// nats_bench.csv, which is in the same order.
const (
	officialSHA256 = "83abc799e45cf34e9d2163654668ab998b9a54d01c39e72ca1f71f2cdf356d84"
	uniqueSHA256   = "1e56f6310d6e4790f51bded86118c481f87ebe40c7d040a322fdde3dc675e75d"
)

func digest(f func(nas.Cell) string) string {
	lines := make([]string, nas.Size)
	for i := range lines {
		lines[i] = f(nas.At(i))
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}

func TestOfficialOrder(t *testing.T) {
	if got := digest(nas.Cell.String); got != officialSHA256 {
		t.Errorf("the order has digest %s, the official list %s", got, officialSHA256)
	}
	for i := range nas.Size {
		if got := nas.Index(nas.At(i)); got != i {
			t.Fatalf("Index(At(%d)) = %d", i, got)
		}
	}
}

func TestOfficialOrderAgainstTheMirror(t *testing.T) {
	const file = "NATS-tss-v1_0-3ffb9-simple.meta.pickle.pbz2"
	tab, err := table.Read(file, mirror.Read(t, file), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cells, err := tab.Strings("architecture_string")
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != nas.Size {
		t.Fatalf("%d cells", len(cells))
	}
	for i, s := range cells {
		if got := nas.At(i).String(); got != s {
			t.Fatalf("At(%d) = %s, the official list has %s", i, got, s)
		}
	}
}

func TestUniqueStrings(t *testing.T) {
	if got := digest(nas.Cell.UniqueString); got != uniqueSHA256 {
		t.Errorf("digest %s, want %s", got, uniqueSHA256)
	}
	strict := nas.Cell{nas.NorConv3x3, nas.None, nas.None, nas.SkipConnect, nas.None, nas.AvgPool3x3}
	if got := strict.UniqueString(); got != "#+(#+#)@avg_pool_3x3+0" {
		t.Errorf("UniqueString %q", got)
	}
	if got := strict.StrictString(); got != "0" {
		t.Errorf("StrictString %q", got)
	}
}

// TestClassesAgainstTheMirror compares the partition, not the strings.
func TestClassesAgainstTheMirror(t *testing.T) {
	tab, err := table.Read("nats_bench.csv", mirror.Read(t, "nats_bench.csv"), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	unique, err := tab.Strings("UniqueString")
	if err != nil {
		t.Fatal(err)
	}
	classOf, _ := nas.Classes()
	byString, byClass := map[string]int{}, map[int]string{}
	for i, s := range unique {
		if c, ok := byString[s]; ok && c != classOf[i] {
			t.Fatalf("cell %d is in class %d, its equals in class %d", i, classOf[i], c)
		}
		if u, ok := byClass[classOf[i]]; ok && u != s {
			t.Fatalf("cell %d: class %d holds %q and %q", i, classOf[i], u, s)
		}
		byString[s], byClass[classOf[i]] = classOf[i], s
	}
	if len(byString) != 6466 {
		t.Errorf("%d classes in the file", len(byString))
	}
}

func TestClassCounts(t *testing.T) {
	for _, c := range []struct {
		name    string
		classes func() ([nas.Size]int, []int)
		want    int
	}{{"isomorphic", nas.Classes, 6466}, {"strict", nas.StrictClasses, 5390}} {
		t.Run(c.name, func(t *testing.T) {
			classOf, representatives := c.classes()
			if len(representatives) != c.want || !slices.IsSorted(representatives) {
				t.Errorf("%d representatives, want %d, ascending", len(representatives), c.want)
			}
			seen := map[int]bool{}
			for i, class := range classOf {
				if !seen[class] && representatives[class] != i {
					t.Fatalf("class %d starts at %d, not at its representative %d", class, i, representatives[class])
				}
				seen[class] = true
			}
			representatives[0] = -1
			if _, again := c.classes(); again[0] == -1 {
				t.Error("a caller can change the shared representatives")
			}
		})
	}
}

func TestDead(t *testing.T) {
	dead := nas.Dead()
	if len(dead) != 341 {
		t.Fatalf("%d cells without a path, want 341", len(dead))
	}
	classOf, representatives := nas.StrictClasses()
	class := classOf[dead[0]]
	members := 0
	for _, c := range classOf {
		if c == class {
			members++
		}
	}
	if members != len(dead) || representatives[class] != dead[0] {
		t.Errorf("the class of zero output has %d members from %d", members, representatives[class])
	}
	for _, i := range dead {
		if classOf[i] != class || nas.At(i).StrictString() != "#" {
			t.Fatalf("cell %d is not in the class of zero output", i)
		}
	}
}

func TestNeighbours(t *testing.T) {
	for _, i := range []int{0, 11, 9930, nas.Size - 1} {
		seen := map[int]bool{i: true}
		for _, n := range nas.NeighbourIndices(i) {
			if seen[n] || nas.Distance(nas.At(i), nas.At(n)) != 1 {
				t.Errorf("%d is no new neighbour of %d", n, i)
			}
			seen[n] = true
			if back := nas.NeighbourIndices(n); !slices.Contains(back[:], i) {
				t.Errorf("%d is not a neighbour of its neighbour %d", i, n)
			}
		}
	}
}

func TestCheckIndex(t *testing.T) {
	for i, ok := range map[int64]bool{-1: false, 0: true, 15624: true, 15625: false, 1 << 40: false} {
		if err := nas.CheckIndex(i); (err == nil) != ok {
			t.Errorf("CheckIndex(%d) = %v", i, err)
		}
	}
}

func TestCosts(t *testing.T) {
	cases := []struct {
		arch          int
		s             nas.Skeleton
		params, flops int64
	}{
		{0, nas.CIFAR10, 129306, 15647370},
		{0, nas.CIFAR100, 135156, 15653220},
		{0, nas.ImageNet16_120, 136456, 3919480},
		{11, nas.CIFAR10, 802426, 113951370},
		{11, nas.CIFAR100, 808276, 113957220},
		{11, nas.ImageNet16_120, 809576, 28495480},
	}
	for _, c := range cases {
		if err := c.s.Validate(); err != nil {
			t.Error(err)
		}
		if p, f := nas.Params(nas.At(c.arch), c.s), nas.FLOPs(nas.At(c.arch), c.s); p != c.params || f != c.flops {
			t.Errorf("architecture %d, %d classes: %d parameters, %d FLOPs; want %d, %d", c.arch, c.s.Classes, p, f, c.params, c.flops)
		}
	}
}

func TestSkeletonValidate(t *testing.T) {
	for _, change := range []func(*nas.Skeleton){
		func(s *nas.Skeleton) { s.Channels = 0 },
		func(s *nas.Skeleton) { s.Cells = -1 },
		func(s *nas.Skeleton) { s.InputChannels = 0 },
		func(s *nas.Skeleton) { s.Classes = 1 << 20 },
		func(s *nas.Skeleton) { s.Width = 30 },
	} {
		s := nas.CIFAR10
		if change(&s); s.Validate() == nil {
			t.Errorf("%+v accepted", s)
		}
	}
}

// TestCostsAgainstTheMirror compares with every result of the two real records.
func TestCostsAgainstTheMirror(t *testing.T) {
	skeletons := map[string]nas.Skeleton{"cifar10-valid": nas.CIFAR10, "cifar10": nas.CIFAR10,
		"cifar100": nas.CIFAR100, "ImageNet16-120": nas.ImageNet16_120}
	for _, file := range []string{"NATS-tss-v1_0-3ffb9-simple.000000.pickle.pbz2", "NATS-tss-v1_0-3ffb9-simple.000011.pickle.pbz2"} {
		tab, err := table.Read(file, mirror.Read(t, file), table.Options{})
		if err != nil {
			t.Fatal(err)
		}
		arch, err1 := tab.Int64s("architecture")
		dataset, err2 := tab.Strings("dataset")
		params, err3 := tab.Float64s("params")
		flop, err4 := tab.Float64s("flop")
		for _, err := range []error{err1, err2, err3, err4} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for i := range tab.Rows {
			s, ok := skeletons[dataset[i]]
			if !ok {
				t.Fatalf("unknown data set %q", dataset[i])
			}
			cell := nas.At(int(arch[i]))
			if p, f := float64(nas.Params(cell, s))/1e6, float64(nas.FLOPs(cell, s))/1e6; p != params[i] || f != flop[i] {
				t.Errorf("%s row %d (%s): %v, %v; the record has %v, %v", file, i, dataset[i], p, f, params[i], flop[i])
			}
		}
	}
}

func BenchmarkIndex(b *testing.B) {
	nas.At(0)
	for i := range b.N {
		_ = nas.Index(nas.At(i % nas.Size))
	}
}
