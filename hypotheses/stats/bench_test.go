package stats

import "testing"

// benchmarkSample has the size and the ties of a NAS-Bench-201 table.
var benchmarkSample = formula{1, 15625, 500, 40}

func BenchmarkKendallTauB(b *testing.B) {
	x, y := benchmarkSample.sample()
	for b.Loop() {
		if _, err := KendallTauB(x, y); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKendallTauBUnrelated(b *testing.B) {
	x, y := formula{5, 15625, 1, 100000}.sample()
	for b.Loop() {
		if _, err := KendallTauB(x, y); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSpearman(b *testing.B) {
	x, y := benchmarkSample.sample()
	for b.Loop() {
		if _, err := Spearman(x, y); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKendallClustered(b *testing.B) {
	x, y := benchmarkSample.sample()
	class := make([]int, len(x))
	for i := range class {
		class[i] = i % 6466
	}
	for b.Loop() {
		if _, err := KendallClustered(x, y, class); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSpearmanClustered100(b *testing.B) {
	x, y := benchmarkSample.sample()
	class := make([]int, len(x))
	for i := range class {
		class[i] = i % 6466
	}
	for b.Loop() {
		if _, err := SpearmanClustered(x, y, class, 100, 1); err != nil {
			b.Fatal(err)
		}
	}
}
