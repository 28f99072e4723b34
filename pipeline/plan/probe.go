package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages/command"
)

// probesName is the name under which probe outputs are kept.
const probesName = "probes"

// Probes runs tool probes, programs that say which version of a tool this
// machine has, and remembers their output for as long as the executable's size,
// time of modification and inode stay the same.
type Probes struct {
	store   *cache.Local
	environ []string
	execute bool // run a probe that is not remembered

	mu     sync.Mutex
	known  map[string]probed
	used   map[string]Program
	loaded bool
	dirty  bool
}

type probed struct {
	Program Program `json:"program"`
	Output  string  `json:"output"`
}

// NewProbes makes a prober for an environment, as os.Environ gives it. Where
// execute is false it only remembers.
func NewProbes(store *cache.Local, environ []string, execute bool) *Probes {
	return &Probes{store: store, environ: environ, execute: execute, known: map[string]probed{}, used: map[string]Program{}}
}

// Probe returns each probe's output; ok is false where one is not remembered
// and probes may not be run.
func (p *Probes) Probe(ctx context.Context, probes map[string][]string) (map[string]string, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load()
	out := make(map[string]string, len(probes))
	for _, name := range sortedKeys(probes) {
		argv := probes[name]
		if len(argv) == 0 {
			return nil, false, fmt.Errorf("tool %q has an empty command", name)
		}
		text, ok, err := p.one(ctx, argv)
		if err != nil {
			return nil, false, fmt.Errorf("tool %q: %w", name, err)
		}
		if !ok {
			return nil, false, nil
		}
		out[name] = text
	}
	return out, true, nil
}

func (p *Probes) one(ctx context.Context, argv []string) (string, bool, error) {
	id := strings.Join(argv, "\x00")
	if _, err := command.LookPath(argv[0], p.environ); err != nil {
		return "", false, err
	}
	program := FindProgram(p.environ, argv[0])
	p.used[argv[0]] = program
	if known, ok := p.known[id]; ok && known.Program == program {
		return known.Output, true, nil
	}
	if !p.execute {
		return "", false, nil
	}
	text, err := command.Probe(ctx, argv, p.environ)
	if err != nil {
		return "", false, err
	}
	p.known[id], p.dirty = probed{program, text}, true
	return text, true, nil
}

// FindProgram finds an executable as commands and probes do, and what
// identifies it; Path is empty where there is none.
func FindProgram(environ []string, name string) Program {
	p := Program{Name: name}
	path, err := command.LookPath(name, environ)
	if err != nil {
		return p
	}
	info, err := os.Stat(path)
	if err != nil {
		return p
	}
	p.Path, p.Size, p.Time = path, info.Size(), info.ModTime().UTC()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		p.Inode = st.Ino
	}
	return p
}

// Programs lists the executables that were asked for, sorted by name.
func (p *Probes) Programs() []Program {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Program
	for _, name := range sortedKeys(p.used) {
		out = append(out, p.used[name])
	}
	return out
}

func (p *Probes) load() {
	if p.loaded {
		return
	}
	p.loaded = true
	if raw, err := p.store.State(probesName); err == nil {
		_ = json.Unmarshal(raw, &p.known) // a memo: what cannot be read is probed again
	}
	if p.known == nil {
		p.known = map[string]probed{}
	}
}

// Save keeps what was probed.
func (p *Probes) Save() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dirty {
		return nil
	}
	raw, err := json.Marshal(p.known)
	if err != nil {
		return err
	}
	p.dirty = false
	return p.store.SaveState(probesName, raw)
}
