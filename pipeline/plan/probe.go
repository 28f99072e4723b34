package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/command"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// probesName is the name under which probe outputs are kept.
const probesName = "probes"

// Probes runs tool probes, programs that say which version of a tool this
// machine has, and remembers what they said. What a program says of its own
// version holds for as long as its file stays the same; what any other command
// says is asked again in every process that may execute something.
type Probes struct {
	store   *cache.Local
	environ []string
	box     *sandbox.Sandbox
	execute bool // run a probe that is not remembered

	mu     sync.Mutex
	known  map[string]probed
	asked  map[string]Answer // of this process
	used   map[Program]bool
	loaded bool
	dirty  bool
}

type probed struct {
	Program Program `json:"program"`
	Output  string  `json:"output"`
}

// Answer is what a probe printed.
type Answer struct {
	Probe  stages.Probe `json:"probe"`
	Output string       `json:"output"`
}

// NewProbes makes a prober for an environment, as os.Environ gives it, which runs
// programs in box, which may be nil. Where execute is false it only remembers.
func NewProbes(store *cache.Local, environ []string, box *sandbox.Sandbox, execute bool) *Probes {
	return &Probes{store: store, environ: environ, box: box, execute: execute, known: map[string]probed{}, asked: map[string]Answer{}, used: map[Program]bool{}}
}

// Probe returns each probe's output; ok is false where one is not remembered
// and probes may not be run.
func (p *Probes) Probe(ctx context.Context, probes map[string]stages.Probe) (map[string]string, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load()
	out := make(map[string]string, len(probes))
	for _, name := range sortedKeys(probes) {
		if len(probes[name].Argv) == 0 {
			return nil, false, fmt.Errorf("tool %q has an empty command", name)
		}
		text, ok, err := p.one(ctx, probes[name])
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

func (p *Probes) one(ctx context.Context, probe stages.Probe) (string, bool, error) {
	id := probe.Path + "\x00\x00" + strings.Join(probe.Argv, "\x00")
	if len(probe.Pass) > 0 {
		id += "\x00\x00" + strings.Join(probe.Pass, "\x00")
	}
	if len(probe.Read) > 0 {
		id += "\x00\x00\x00" + strings.Join(probe.Read, "\x00")
	}
	environ := command.Environ(p.environ, probe.Path)
	if _, err := command.LookPath(probe.Argv[0], environ); err != nil {
		return "", false, err
	}
	program := FindProgram(environ, probe.Argv[0])
	program.Search = probe.Path
	p.used[program] = true
	if a, ok := p.asked[id]; ok {
		return a.Output, true, nil
	}
	known, ok := p.known[id]
	if ok = ok && known.Program == program; ok && (command.Constant(probe.Argv) || !p.execute) {
		return known.Output, true, nil
	}
	if !p.execute {
		return "", false, nil
	}
	text, err := command.Probe(ctx, probe, p.environ, p.box)
	if err != nil {
		return "", false, err
	}
	if !ok || known.Output != text {
		p.known[id], p.dirty = probed{program, text}, true
	}
	p.asked[id] = Answer{probe, text}
	return text, true, nil
}

// Volatile lists the answers that may be others tomorrow although no program's
// file has changed, sorted.
func (p *Probes) Volatile() []Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Answer
	for _, id := range sortedKeys(p.asked) {
		if a := p.asked[id]; !command.Constant(a.Probe.Argv) {
			out = append(out, a)
		}
	}
	return out
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

// Programs lists the executables that were asked for, sorted.
func (p *Probes) Programs() []Program {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Program
	for program := range p.used {
		out = append(out, program)
	}
	slices.SortFunc(out, func(a, b Program) int { return strings.Compare(a.Name+"\x00"+a.Search, b.Name+"\x00"+b.Search) })
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
