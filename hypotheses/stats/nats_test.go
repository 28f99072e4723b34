package stats

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// natsTable is the NATS-Bench topology table: 15,625 cells in index order.
type natsTable struct {
	cifar10, cifar100, imagenet []float64
	class                       []int // isomorphism class
	representatives             []int // smallest index of each class
}

// openNATS opens nats_bench.csv of the data mirror, or skips the test.
func openNATS(t testing.TB) *os.File {
	t.Helper()
	mirror := os.Getenv("NBPIPE_TEST_MIRROR")
	if mirror == "" {
		mirror = filepath.Join("..", "..", "..", "shared", "mirror")
	}
	file, err := os.Open(filepath.Join(mirror, "nats_bench.csv"))
	if err != nil {
		t.Skipf("SKIPPED, NOT CHECKED AGAINST REAL DATA: set NBPIPE_TEST_MIRROR to a folder with nats_bench.csv (%v)", err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func readNATS(t testing.TB) natsTable {
	t.Helper()
	rows, err := csv.NewReader(openNATS(t)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var table natsTable
	classes := map[string]int{}
	for i, row := range rows[1:] {
		for column, values := range []*[]float64{&table.cifar10, &table.cifar100, &table.imagenet} {
			v, err := strconv.ParseFloat(row[column], 64)
			if err != nil {
				t.Fatal(err)
			}
			*values = append(*values, v)
		}
		class, known := classes[row[4]]
		if !known {
			class = len(classes)
			classes[row[4]] = class
			table.representatives = append(table.representatives, i)
		}
		table.class = append(table.class, class)
	}
	return table
}

func TestNATSRankCorrelations(t *testing.T) {
	table := readNATS(t)
	if len(table.class) != 15625 || len(table.representatives) != 6466 {
		t.Fatalf("%d cells in %d classes", len(table.class), len(table.representatives))
	}
	for _, test := range []struct {
		name          string
		x, y          []float64
		spearman, tau float64
	}{
		{"all", table.cifar10, table.cifar100, 0.9802, 0.8816},
		{"unique", pick(table.cifar10, table.representatives), pick(table.cifar100, table.representatives), 0.9713, 0.8578},
	} {
		rho, err := Spearman(test.x, test.y)
		if err != nil {
			t.Fatal(err)
		}
		tau, err := KendallTauB(test.x, test.y)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: rho %.4f (log10 p %.1f), tau-b %.4f (log10 p %.1f)", test.name, rho.Value, rho.Log10P, tau.Value, tau.Log10P)
		checkNear(t, test.name+" rho", rho.Value, test.spearman, 5e-5)
		checkNear(t, test.name+" tau-b", tau.Value, test.tau, 5e-5)
	}
}

func TestNATSIntervals(t *testing.T) {
	table := readNATS(t)
	resamples := 600
	if testing.Short() {
		resamples = 100
	}
	x, y := table.cifar10, table.cifar100
	start := time.Now()
	rho, err := SpearmanClustered(x, y, table.class, resamples, 1)
	if err != nil {
		t.Fatal(err)
	}
	rhoTime := time.Since(start)
	start = time.Now()
	tau, err := KendallClustered(x, y, table.class)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("rho %.4f [%.4f, %.4f] in %v (%d resamples), tau-b %.4f [%.4f, %.4f] in %v",
		rho.Value, rho.Low, rho.High, rhoTime, resamples, tau.Value, tau.Low, tau.High, time.Since(start))
	bootstrap, err := ClusterBootstrap(table.class, resamples/5, 2, func(sample []int) float64 {
		tau, _ := KendallTauB(pick(x, sample), pick(y, sample))
		return tau.Value
	})
	if err != nil {
		t.Fatal(err)
	}
	iid, err := KendallClustered(x, y, identity(len(x)))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("tau-b s.e.: clustered %.3g, cluster bootstrap %.3g, points as classes %.3g", tau.StdErr, bootstrap.StdErr, iid.StdErr)
	// 120 resamples know their own s.d. to 6.5 %.
	if testing.Short() {
		return
	}
	if !relative(tau.StdErr, bootstrap.StdErr, 0.2) {
		t.Errorf("standard error %g, cluster bootstrap %g", tau.StdErr, bootstrap.StdErr)
	}
}
