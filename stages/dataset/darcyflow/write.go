package darcyflow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/dataset/darcyflow/pde"
	"github.com/nbpipe/nbpipe/stages/npy"
)

// folder is output data in the scratch folder.
type folder struct{ path, coefficient, solution string }

// write makes the folder, and says what the samples that were hardest to solve took.
func (s *Stage) write(ctx context.Context, in *stages.Input) (folder, pde.Solution, error) {
	f := folder{path: filepath.Join(in.Scratch, "data")}
	f.coefficient, f.solution = filepath.Join(f.path, coefficientFile), filepath.Join(f.path, solutionFile)
	if err := os.Mkdir(f.path, 0o755); err != nil {
		return f, pde.Solution{}, err
	}
	text, err := stages.EncodeJSON(s.description())
	if err != nil {
		return f, pde.Solution{}, err
	}
	if err := os.WriteFile(filepath.Join(f.path, descriptionFile), append(text, '\n'), 0o644); err != nil {
		return f, pde.Solution{}, err
	}
	worst, err := s.samples(ctx, in, f)
	return f, worst, err
}

// samples fills both files, several samples at a time.
func (s *Stage) samples(ctx context.Context, in *stages.Input, f folder) (worst pde.Solution, err error) {
	a, err := s.create(f.coefficient)
	if err != nil {
		return worst, err
	}
	defer func() { err = errors.Join(err, a.file.Close()) }()
	u, err := s.create(f.solution)
	if err != nil {
		return worst, err
	}
	defer func() { err = errors.Join(err, u.file.Close()) }()

	ones := make([]float64, s.Resolution*s.Resolution)
	for k := range ones {
		ones[k] = 1
	}
	var next atomic.Int64
	var mu sync.Mutex
	done := int64(0)
	group, ctx := errgroup.WithContext(ctx)
	for range min(in.CPUs, s.Samples) {
		group.Go(func() error {
			w, err := s.newWorker(ones, a, u)
			if err != nil {
				return err
			}
			for i := next.Add(1) - 1; i < int64(s.Samples); i = next.Add(1) - 1 {
				got, err := w.sample(ctx, i)
				if err != nil {
					return fmt.Errorf("sample %d of seed %d: %w", i, s.Seed, err)
				}
				mu.Lock()
				worst = pde.Solution{Iterations: max(worst.Iterations, got.Iterations), Residual: max(worst.Residual, got.Residual)}
				done++
				in.Progress.Report(done, int64(s.Samples), "samples")
				mu.Unlock()
			}
			return nil
		})
	}
	return worst, group.Wait()
}

// worker makes samples on one core.
type worker struct {
	*Stage
	field     *pde.Field
	solver    *pde.Solver
	a, u, one []float64 // one: the right-hand side
	toA, toU  *array
	kept      []float64
	raw       []byte
}

func (s *Stage) newWorker(ones []float64, a, u *array) (*worker, error) {
	solver, err := pde.NewSolver(s.Resolution)
	if err != nil {
		return nil, err
	}
	n := s.Resolution * s.Resolution
	return &worker{
		Stage: s, field: pde.NewField(s.Resolution), solver: solver,
		a: make([]float64, n), u: make([]float64, n), one: ones, toA: a, toU: u,
	}, nil
}

func (w *worker) sample(ctx context.Context, i int64) (pde.Solution, error) {
	w.field.Coefficient(w.a, w.Seed, uint64(i))
	got, err := w.solver.Solve(ctx, w.u, w.a, w.one)
	if err != nil {
		return got, err
	}
	if err := w.put(w.toA, i, w.a); err != nil {
		return got, err
	}
	return got, w.put(w.toU, i, w.u)
}

// put writes the nodes that are kept to their place in the file.
func (w *worker) put(to *array, i int64, nodes []float64) (err error) {
	w.kept = w.kept[:0]
	for row := 0; row < w.Resolution; row += w.Subsample {
		for column := 0; column < w.Resolution; column += w.Subsample {
			w.kept = append(w.kept, nodes[row*w.Resolution+column])
		}
	}
	if w.raw, err = npy.Append(w.raw[:0], npy.Type(w.DType), w.kept); err != nil {
		return err
	}
	_, err = to.file.WriteAt(w.raw, to.start+i*int64(len(w.raw)))
	return err
}

// array is a file whose elements begin at start.
type array struct {
	file  *os.File
	start int64
}

func (s *Stage) create(path string) (*array, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	header := s.header().Encode()
	if _, err := f.Write(header); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &array{file: f, start: int64(len(header))}, nil
}
