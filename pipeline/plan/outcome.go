package plan

import (
	"context"
	"encoding/json"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/command"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// Outcome is what a complete run came to, with everything that it depends on:
// while StillHolds is true, running again would do nothing and say the same. So
// a run with nothing to do reads this instead of parsing and evaluating HCL,
// also where keys were only known while the experiment ran.
type Outcome struct {
	Reads    []lang.Read       `json:"reads"`
	Programs []Program         `json:"programs,omitempty"` // of tool probes
	Answers  []Answer          `json:"answers,omitempty"`  // of probes that have to be asked again
	Lock     cache.Digest      `json:"lock"`               // of the lock file's bytes
	Store    cache.Fingerprint `json:"store"`

	Nodes    int              `json:"nodes"`
	Verdicts []stages.Verdict `json:"verdicts,omitempty"`
	Outputs  []OutputText     `json:"outputs,omitempty"`
	Reports  []Report         `json:"reports,omitempty"`
	Saved    time.Time        `json:"saved"`
}

// OutputText is an output block's value as shown.
type OutputText struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Value       json.RawMessage `json:"value"` // null where sensitive
	Sensitive   bool            `json:"sensitive,omitempty"`
}

// Report is a report as it was written beside the experiment.
type Report struct {
	Node string    `json:"node"`
	Path string    `json:"path"`
	Size int64     `json:"size"`
	Time time.Time `json:"time"` // of last modification
}

// Current reports whether the file is there, as it was written.
func (r Report) Current() bool {
	info, err := os.Stat(r.Path)
	return err == nil && info.Size() == r.Size && info.ModTime().Equal(r.Time)
}

// Program is an executable that a tool probe ran.
type Program struct {
	Name   string    `json:"name"`             // as in argv[0]
	Search string    `json:"search,omitempty"` // PATH, if it is not nbpipe's own
	Path   string    `json:"path"`             // as found; "" where there was none
	Size   int64     `json:"size"`
	Time   time.Time `json:"time"`
	Inode  uint64    `json:"inode"`
}

// OutcomeName is the name under which an outcome is kept. parts are everything
// from outside the files that has a say: the experiment's path, what was asked
// for, variables, the build.
func OutcomeName(parts ...string) string {
	p := cache.NewPreimage()
	for _, s := range parts {
		p.Add("part", cache.FieldString, s)
	}
	return "outcome-" + p.Key().String()
}

// LoadOutcome reads an outcome; false if there is none.
func LoadOutcome(store *cache.Local, name string) (*Outcome, bool) {
	raw, err := store.State(name)
	if err != nil {
		return nil, false
	}
	var o Outcome
	if json.Unmarshal(raw, &o) != nil {
		return nil, false
	}
	return &o, true
}

// Save keeps an outcome.
func (o *Outcome) Save(store *cache.Local, name string) error {
	raw, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return store.SaveState(name, raw)
}

// StillHolds reports whether nothing that the outcome depends on has changed.
// environ is nbpipe's environment, and box confines the probes that are asked again.
func (o *Outcome) StillHolds(ctx context.Context, store *cache.Local, lockPath string, hash func(string) (cache.Object, error), environ []string, box *sandbox.Sandbox) bool {
	if !store.StillHolds(o.Store) || digestOfFile(lockPath) != o.Lock {
		return false
	}
	for _, p := range o.Programs {
		now := FindProgram(command.Environ(environ, p.Search), p.Name)
		if now.Search = p.Search; now != p {
			return false
		}
	}
	for _, r := range o.Reports {
		if !r.Current() {
			return false
		}
	}
	return allSame(o.Reads, hash) && sameAnswers(ctx, o.Answers, environ, box)
}

// sameAnswers asks the probes again whose answers depend on more than a
// program's file: such as that of an interpreter about an installed package.
func sameAnswers(ctx context.Context, all []Answer, environ []string, box *sandbox.Sandbox) bool {
	var changed atomic.Bool
	var wg sync.WaitGroup
	for _, a := range all {
		wg.Go(func() {
			text, err := command.Probe(ctx, a.Probe, environ, box)
			if err != nil || text != a.Output {
				changed.Store(true)
			}
		})
	}
	wg.Wait()
	return !changed.Load()
}

// allSame checks reads on all cores: files given to path() may be many.
func allSame(reads []lang.Read, hash func(string) (cache.Object, error)) bool {
	var next atomic.Int64
	var changed atomic.Bool
	var wg sync.WaitGroup
	for range min(len(reads), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for !changed.Load() {
				i := int(next.Add(1)) - 1
				if i >= len(reads) {
					return
				}
				if !reads[i].Same(hash) {
					changed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	return !changed.Load()
}

// digestOfFile is zero for a file that is not there.
func digestOfFile(path string) cache.Digest {
	b, err := os.ReadFile(path)
	if err != nil {
		return cache.Digest{}
	}
	return cache.DigestOf(b)
}
