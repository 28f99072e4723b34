// Command search times regularized evolution on a made table and prints one JSON
// line. It is one half of the benchmark that run.sh runs; evolution.py is the
// other half and searches the same table, which -table writes.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/nbpipe/nbpipe/stages/nas"
	"github.com/nbpipe/nbpipe/stages/search/algorithm"
	"github.com/nbpipe/nbpipe/stages/search/objective"
)

// result is what is printed.
type result struct {
	EvaluationsPerS float64 `json:"evaluations_per_s"`
	MeanRegret      float64 `json:"mean_regret"`
	StandardError   float64 `json:"standard_error"`
}

func main() {
	write := flag.String("table", "", "write the table there, a value a line, and stop")
	budget := flag.Int("budget", 170, "evaluations a run")
	runs := flag.Int("runs", 500, "runs")
	seed := flag.Uint64("seed", 1, "seed of the runs")
	flag.Parse()

	values, err := table()
	if err != nil {
		log.Fatal(err)
	}
	if *write != "" {
		err = save(*write, values)
	} else {
		err = measure(values, *budget, *runs, *seed)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// table gives each cell, by number in the benchmark's order, a value with the
// look of an accuracy: good operations add up, a hash is the noise, and what no
// signal passes is at chance.
func table() ([]float64, error) {
	gain := [nas.NumOps]float64{0, 3, 4, 6, 1}
	values := make([]float64, nas.Size)
	for i := range values {
		c := nas.At(i)
		if !c.Connected() {
			values[i] = 10
			continue
		}
		v := 40.0
		for e, op := range c {
			v += gain[op] * (1 + 0.1*float64(e))
		}
		hash := uint64(i)*0x9e3779b97f4a7c15 + 12345
		hash = (hash ^ hash>>30) * 0xbf58476d1ce4e5b9
		values[i] = v + 4*float64(hash>>40)/(1<<24)
	}
	return values, nil
}

// save writes the values by base-5 number of the cell, edge 0-1 slowest.
func save(path string, values []float64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for n := range nas.Size {
		var c nas.Cell
		for e, rest := nas.NumEdges-1, n; e >= 0; e-- {
			c[e] = nas.Op(rest % nas.NumOps)
			rest /= nas.NumOps
		}
		fmt.Fprintln(w, values[nas.Index(c)])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func measure(values []float64, budget, runs int, seed uint64) error {
	o, err := objective.NewTable([]objective.Fidelity{{Cost: 1}}, [][]float64{values})
	if err != nil {
		return err
	}
	plan := algorithm.Plan{
		Algorithm: algorithm.Evolution{Population: 10, Sample: 3}, Objective: o,
		Budget: float64(budget), Seed: seed, Runs: runs, Workers: runtime.GOMAXPROCS(0),
	}
	start := time.Now()
	made, err := plan.Execute(context.Background())
	if err != nil {
		return err
	}
	took := time.Since(start).Seconds()
	optimum := math.Inf(-1)
	for _, v := range values {
		optimum = max(optimum, v)
	}
	sum, squares := 0.0, 0.0
	for _, r := range made {
		steps := r.Steps()
		incumbents := algorithm.Incumbents(steps)
		regret := optimum - steps[incumbents[len(incumbents)-1]].Value
		sum, squares = sum+regret, squares+regret*regret
	}
	n := float64(runs)
	mean := sum / n
	return json.NewEncoder(os.Stdout).Encode(result{
		EvaluationsPerS: float64(budget) * n / took,
		MeanRegret:      mean,
		StandardError:   math.Sqrt((squares/n - mean*mean) / (n - 1)),
	})
}
