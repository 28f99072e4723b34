// Command stats times KendallTauB and prints one JSON line. It is one half of
// the benchmark that run.sh runs; compare.py is the other half and times SciPy
// on the same samples.
//
//	stats -seed 1 -n 15625 -levels 500 -noise 40 -repeats 50
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"
	"slices"
	"time"

	"github.com/nbpipe/nbpipe/hypotheses/stats"
)

// timing is what is printed.
type timing struct {
	BestMS   float64 `json:"best_ms"`
	MedianMS float64 `json:"median_ms"`
	Tau      float64 `json:"tau"`
}

func main() {
	seed := flag.Uint64("seed", 1, "seed of the sample")
	n := flag.Int("n", 15625, "number of pairs")
	levels := flag.Uint64("levels", 500, "distinct values before noise")
	noise := flag.Uint64("noise", 40, "distinct values of the noise")
	repeats := flag.Int("repeats", 50, "calls that are timed")
	flag.Parse()

	x, y := sample(*seed, *n, *levels, *noise)
	result, err := timeTauB(x, y, *repeats)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}

// sample draws two correlated samples with ties, as sample in compare.py does.
func sample(seed uint64, n int, levels, noise uint64) (x, y []float64) {
	state := seed
	draw := func() uint64 {
		state = state*6364136223846793005 + 1442695040888963407
		return state >> 33
	}
	for range n {
		base := draw() % levels
		x = append(x, float64(base+draw()%noise)/8)
		y = append(y, float64(base+draw()%noise)/8)
	}
	return x, y
}

// timeTauB calls KendallTauB once to warm up and then repeats times.
func timeTauB(x, y []float64, repeats int) (timing, error) {
	warm, err := stats.KendallTauB(x, y)
	if err != nil {
		return timing{}, err
	}
	took := make([]float64, repeats)
	for i := range took {
		start := time.Now()
		if _, err := stats.KendallTauB(x, y); err != nil {
			return timing{}, err
		}
		took[i] = float64(time.Since(start)) / float64(time.Millisecond)
	}
	slices.Sort(took)
	return timing{BestMS: took[0], MedianMS: took[repeats/2], Tau: warm.Value}, nil
}
