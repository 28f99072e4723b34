package slurm

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
)

// batch is one submission: an array of jobs, a worker each. It is written down before
// Slurm hears of it, so that another controller knows whose its jobs are.
type batch struct {
	ID      string    `json:"id"`
	Workers []string  `json:"workers"` // by index in the array
	Asked   time.Time `json:"asked"`
	Job     string    `json:"job,omitempty"` // the array's number, for people
	void    bool
	ran     map[int]bool // which were seen to run, by this controller
}

// newBatch names a batch by its workers, whose IDs are unique.
func newBatch(workers []launch.Worker, now time.Time) *batch {
	b := &batch{Asked: now.UTC()}
	for _, w := range workers {
		b.Workers = append(b.Workers, w.ID)
	}
	d := cache.DigestOf([]byte(strings.Join(b.Workers, "\n")))
	b.ID = hex.EncodeToString(d[:8])
	return b
}

// comment is by which Slurm's jobs are known as a batch's.
func (l *launcher) comment(id string) string { return "nbpipe/" + l.site.ID + "/" + id }

// batchOf is the batch that a comment names.
func (l *launcher) batchOf(comment string) (*batch, bool) {
	id, ok := strings.CutPrefix(comment, "nbpipe/"+l.site.ID+"/")
	b := l.batches[id]
	return b, ok && b != nil
}

func (l *launcher) batchPath(id, suffix string) string { return filepath.Join(l.dir, id+suffix) }

const (
	batchSuffix = ".json"
	voidSuffix  = ".void"
	maxBatch    = 1 << 20 // bytes
)

func (l *launcher) write(b *batch) error {
	raw, err := json.Marshal(b)
	if err != nil {
		return err
	}
	path := l.batchPath(b.ID, batchSuffix)
	if err := os.WriteFile(path+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// annul makes jobs of a batch that begin later end at once: all of them, or that of
// one worker.
func (l *launcher) annul(b *batch, index int) error {
	suffix := voidSuffix
	if index >= 0 {
		suffix = fmt.Sprintf(".%d%s", index, voidSuffix)
	}
	return os.WriteFile(l.batchPath(b.ID, suffix), nil, 0o600)
}

// forget removes what is known of a batch that has ended.
func (l *launcher) forget(b *batch) {
	delete(l.batches, b.ID)
	found, _ := filepath.Glob(l.batchPath(b.ID, ".*"))
	for _, f := range found {
		_ = os.Remove(f)
	}
}

// readBatches reads what an earlier controller submitted.
func readBatches(dir string) (map[string]*batch, error) {
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	out := map[string]*batch{}
	for _, f := range found {
		id, ok := strings.CutSuffix(f.Name(), batchSuffix)
		if !ok {
			continue
		}
		b, err := readBatch(filepath.Join(dir, f.Name()))
		if err != nil || b.ID != id {
			return nil, fmt.Errorf("%s is damaged: look with squeue for jobs of nbpipe, cancel them, and remove it: %w", filepath.Join(dir, f.Name()), err)
		}
		_, err = os.Stat(filepath.Join(dir, id+voidSuffix))
		b.void = err == nil
		out[id] = b
	}
	return out, nil
}

func readBatch(path string) (*batch, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxBatch {
		return nil, errors.New("it is too large")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	b := &batch{}
	return b, json.Unmarshal(raw, b)
}

// logPath is where Slurm writes what a worker prints.
func (l *launcher) logPath(b *batch, index string) string {
	return l.batchPath(b.ID, "."+index+".log")
}

// sortedBatches are all that are known, in the order in which they were asked for.
func (l *launcher) sortedBatches() []*batch {
	var out []*batch
	for _, b := range l.batches {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b *batch) int {
		if c := a.Asked.Compare(b.Asked); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}
