package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nbpipe/nbpipe/cache"
)

// probesName is the name under which probe outputs are kept.
const probesName = "probes"

// Probes runs tool probes, programs that say which version of a tool this
// machine has, and remembers their output for as long as the executable's size,
// time of modification and inode stay the same.
type Probes struct {
	store   *cache.Local
	path    string // PATH, to find programs
	execute bool   // run a probe that is not remembered

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

// NewProbes makes a prober that looks programs up in path (a PATH). Where
// execute is false it only remembers.
func NewProbes(store *cache.Local, path string, execute bool) *Probes {
	return &Probes{store: store, path: path, execute: execute, known: map[string]probed{}, used: map[string]Program{}}
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
	program := FindProgram(p.path, argv[0])
	if program.Path == "" {
		return "", false, fmt.Errorf("%s was not found in PATH: install it, or mend the probe", argv[0])
	}
	p.used[argv[0]] = program
	if known, ok := p.known[id]; ok && known.Program == program {
		return known.Output, true, nil
	}
	if !p.execute {
		return "", false, nil
	}
	text, err := runProbe(ctx, program.Path, argv, p.path)
	if err != nil {
		return "", false, err
	}
	p.known[id], p.dirty = probed{program, text}, true
	return text, true, nil
}

// runProbe runs a probe with a cleared environment and nothing to read.
func runProbe(ctx context.Context, program string, argv []string, path string) (string, error) {
	const limit = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out, diagnostics bytes.Buffer
	cmd := exec.CommandContext(ctx, program, argv[1:]...)
	cmd.Args[0] = argv[0]
	cmd.Env = []string{"PATH=" + path, "LANG=C.UTF-8", "HOME=" + os.TempDir()}
	cmd.Dir, cmd.Stdout, cmd.Stderr = os.TempDir(), &out, &diagnostics
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("no end within %s", limit)
		}
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, lastLine(diagnostics.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// FindProgram finds an executable as a shell would, and what identifies it.
func FindProgram(path, name string) Program {
	p := Program{Name: name}
	for _, candidate := range candidates(path, name) {
		info, err := os.Stat(candidate)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		p.Path, p.Size, p.Time = candidate, info.Size(), info.ModTime().UTC()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			p.Inode = st.Ino
		}
		return p
	}
	return p
}

func candidates(path, name string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	var out []string
	for _, dir := range filepath.SplitList(path) {
		if filepath.IsAbs(dir) {
			out = append(out, filepath.Join(dir, name))
		}
	}
	return out
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
