// Command darcy makes samples of Darcy flow on one core, leaves them as coeff.npy
// and sol.npy in a folder, and prints the CPU seconds as one JSON line. It is one
// half of the benchmark that run.sh runs; compare.py is the other half.
//
//	darcy -resolution 421 -samples 8 -out FOLDER
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"os"
	"path/filepath"
	"syscall"

	"github.com/nbpipe/nbpipe/stages/dataset/darcyflow/pde"
	"github.com/nbpipe/nbpipe/stages/npy"
)

func main() {
	n := flag.Int("resolution", 421, "nodes per side")
	samples := flag.Int("samples", 8, "samples to make")
	out := flag.String("out", ".", "folder of the arrays")
	flag.Parse()

	a, u := make([]float64, *samples**n**n), make([]float64, *samples**n**n)
	before := cpu()
	if err := makeSamples(*n, a, u); err != nil {
		log.Fatal(err)
	}
	seconds := cpu() - before
	h := npy.Header{Type: npy.Float64, Shape: []int{*samples, *n, *n}}
	for name, values := range map[string][]float64{"coeff.npy": a, "sol.npy": u} {
		if err := write(filepath.Join(*out, name), h, values); err != nil {
			log.Fatal(err)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]float64{"cpu": seconds}); err != nil {
		log.Fatal(err)
	}
}

// makeSamples fills a and u, which hold n*n values a sample.
func makeSamples(n int, a, u []float64) error {
	field := pde.NewField(n)
	solver, err := pde.NewSolver(n)
	if err != nil {
		return err
	}
	ones := make([]float64, n*n)
	for k := range ones {
		ones[k] = 1
	}
	for i := 0; len(a) > 0; i++ {
		field.Coefficient(a[:n*n], 777, uint64(i))
		if _, err := solver.Solve(context.Background(), u[:n*n], a[:n*n], ones); err != nil {
			return err
		}
		a, u = a[n*n:], u[n*n:]
	}
	return nil
}

// cpu is the process's time so far, in seconds.
func cpu() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		log.Fatal(err)
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

func write(path string, h npy.Header, values []float64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := npy.Write(f, h, values); err != nil {
		return err
	}
	return f.Close()
}
