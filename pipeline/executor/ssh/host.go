package ssh

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
)

// placed is a worker on a host.
type placed struct {
	launch.Worker       // as it was asked for; an earlier controller's has an ID only
	gpus          []int // their numbers
	state         launch.State
	sent          bool // the host was asked to start it
	cancelled     bool // the host is to be told
	reason        string
}

// host is one machine. What follows l is guarded by its lock, except what only the
// visit in progress uses.
type host struct {
	line
	l *launcher

	visit    chan struct{} // the one in progress; see seen
	seen     func()        // closes it
	copies   bool          // the program is copied to it, or waits for its turn
	ready    bool          // the program is there
	problem  string        // why it is not used; "" if it is
	silent   bool          // it did not answer the last time, or there was none
	answered time.Time     // the last time
	next     time.Time     // when to look again; zero before the first visit
	pause    time.Duration
	workers  map[string]*placed

	copied, toCopy atomic.Int64 // bytes

	wrote map[string]cache.Digest // of the visit: what was written there last, by path here
}

func (h *host) free() int {
	return h.l.Settings.Slots - len(h.workers)
}

func (h *host) freeGPUs() []int {
	used := map[int]bool{}
	for _, w := range h.workers {
		for _, g := range w.gpus {
			used[g] = true
		}
	}
	var out []int
	for g := range h.l.GPUs {
		if !used[g] {
			out = append(out, g)
		}
	}
	return out
}

// hasWork reports whether the host has something to be told.
func (h *host) hasWork() bool {
	for _, w := range h.workers {
		if h.problem == "" && (w.state == launch.Pending && !w.sent || w.cancelled) {
			return true
		}
	}
	return false
}

func (h *host) hasCancelled() bool {
	for _, w := range h.workers {
		if w.cancelled {
			return true
		}
	}
	return false
}

// unusable is what is wrong with a host that answers.
type unusable struct{ detail string }

func (u *unusable) Error() string { return u.detail }

// Pauses between looks at a host. They grow while nothing changes, and while it
// cannot be used.
const (
	shortest     = 2 * time.Second
	longest      = 10 * time.Second
	longestWrong = time.Minute
)

// do visits the host: what is there, what has to be there, whom to start and to end.
func (h *host) do(ctx context.Context) {
	changed, err := h.call(ctx)
	l := h.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	var bad *unusable
	h.silent = err != nil && !errors.As(err, &bad)
	now := l.site.Now()
	if !h.silent || h.answered.IsZero() {
		h.answered = now
	}
	before, problem := h.problem, ""
	most := longest
	if err != nil {
		problem, most = err.Error(), longestWrong
	}
	switch h.problem = problem; {
	case problem == before && !changed:
		h.pause = min(max(h.pause*3/2, shortest), most)
	default:
		h.pause = shortest
	}
	h.next = now.Add(h.pause)
	switch {
	case problem != "" && problem != before:
		l.tell("%s is not used: %s", h.host, problem)
	case problem == "" && before != "":
		l.tell("%s is used again", h.host)
	}
	if err != nil {
		h.giveBack()
	}
}

// giveBack lets other hosts have the workers that this one was not asked to start.
func (h *host) giveBack() {
	for id, w := range h.workers {
		if w.state == launch.Pending && !w.sent {
			delete(h.workers, id)
			if !w.cancelled {
				h.l.waiting = append(h.l.waiting, w.Worker)
			}
		}
	}
}

func (h *host) call(ctx context.Context) (changed bool, err error) {
	text := h.prelude()
	if !h.ready { // only this visit writes it
		text += sweep
	}
	lines, err := h.script(ctx, text+look)
	s := parseLook(lines)
	if err == nil && !s.whole && !s.noFolder {
		err = &unusable{"it runs no scripts of /bin/sh, or its login shell prints too much"}
	}
	if err == nil {
		err = h.fits(s)
	}
	var broken *away
	if errors.As(err, &broken) {
		h.hangUp(ctx)
	}
	if err != nil {
		return false, err
	}
	changed = h.compare(s)
	if !s.program {
		if err := h.install(ctx, s); err != nil {
			return changed, err
		}
	}
	h.l.mu.Lock()
	h.ready = true
	h.l.place()
	files := h.l.sortedFiles()
	idle := len(h.workers) == 0
	h.l.mu.Unlock()
	if !idle { // secrets are only where they are used
		if err := h.refresh(ctx, s, files); err != nil {
			return changed, err
		}
	}
	acted, err := h.act(ctx, s, files)
	return changed || acted, err
}

// systems are what `uname -sm` says where programs of a build run.
var systems = map[string]string{"linux/amd64": "Linux x86_64", "linux/arm64": "Linux aarch64"}

// fits says what keeps a host from being used.
func (h *host) fits(s seen) error {
	const mebi = 1 << 20
	build := runtime.GOOS + "/" + runtime.GOARCH
	need := 2*h.l.size + 64*mebi // the copy, packed and unpacked, and a little to work in
	switch {
	case s.system != systems[build]:
		return &unusable{fmt.Sprintf("it is a machine of the kind %q, and this nbpipe is built for %s: leave it out of hosts, or run nbpipe from a machine of its kind", s.system, build)}
	case len(s.lacks) > 0:
		return &unusable{fmt.Sprintf("it has no program %s: install util-linux, coreutils, gzip and procps there", strings.Join(s.lacks, ", "))}
	case s.noFolder:
		return &unusable{"no folder can be made there below ~/.cache/nbpipe"}
	case !homePattern.MatchString(s.home):
		return &unusable{fmt.Sprintf("its home folder %q has a name with other characters than letters, digits and . _ / + @ -", s.home)}
	case !s.program && s.free >= 0 && s.free*1024 < need:
		return &unusable{fmt.Sprintf("no space: %d MiB are free below ~/.cache, and %d are needed", s.free/1024, (need+mebi-1)/mebi)}
	}
	return nil
}

// compare takes over what the host says of its workers. One that it was asked to
// start, and does not know, never began.
func (h *host) compare(s seen) (changed bool) {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	for id, gpus := range s.running {
		w := h.workers[id]
		if w == nil {
			w = &placed{}
			h.workers[id] = w
		}
		changed = changed || w.state != launch.Running
		w.state, w.gpus = launch.Running, gpus
	}
	for id, w := range h.workers {
		_, runs := s.running[id]
		if runs || w.state == launch.Ended || w.state == launch.Pending && !w.sent {
			continue
		}
		changed = true
		w.state, w.reason, w.cancelled = launch.Ended, s.ended[id], false
	}
	return changed
}

// install copies the program, to one host at a time. It goes on where an earlier copy was
// cut off. Nobody who looks at the hosts waits for it.
func (h *host) install(ctx context.Context, s seen) error {
	l := h.l
	mark := func(copies bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		h.copies = copies
	}
	mark(true)
	defer mark(false)
	h.seen()
	l.copying.Lock()
	defer l.copying.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	lines, err := h.script(ctx, h.prelude()+look) // hosts may share a home folder
	if err != nil {
		return err
	}
	now := parseLook(lines)
	if now.program {
		return nil
	}
	packed, err := l.pack()
	if err != nil {
		return err
	}
	s.part = now.part
	if s.part >= int64(len(packed)) { // of another way of packing, or done and not unpacked
		s.part = 0
	}
	path := s.home + "/.cache/nbpipe/bin/" + l.digest + ".part"
	write := h.add
	if s.part == 0 {
		write = h.put
	}
	if err := write(ctx, path, h.watched(packed[s.part:], s.part), int64(len(packed))-s.part); err != nil {
		return fmt.Errorf("copying nbpipe: %w", err)
	}
	name, err := temporary()
	if err != nil {
		return err
	}
	lines, err = h.script(ctx, h.prelude()+install(name))
	if err == nil && !slices.Contains(lines, "installed") {
		err = &unusable{"the copy of nbpipe is not whole: is its disk full?"}
	}
	return err
}

// pack makes the program small, the same in each run.
func (l *launcher) pack() ([]byte, error) {
	if l.packed != nil {
		return l.packed, nil
	}
	f, err := os.Open(l.site.Program)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.Copy(z, f); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	l.packed = b.Bytes()
	return l.packed, nil
}

// watched counts what is read of a copy, and tells from time to time how far it is.
func (h *host) watched(b []byte, before int64) io.Reader {
	h.copied.Store(before)
	h.toCopy.Store(before + int64(len(b)))
	return &copied{r: bytes.NewReader(b), h: h, told: h.l.site.Now()}
}

type copied struct {
	r    *bytes.Reader
	h    *host
	told time.Time
}

// Read implements io.Reader, a little at a time: the counter is to be true.
func (c *copied) Read(p []byte) (int, error) {
	const little, often = 64 << 10, 20 * time.Second
	n, err := c.r.Read(p[:min(len(p), little)])
	c.h.copied.Add(int64(n))
	if now := c.h.l.site.Now(); now.Sub(c.told) > often {
		c.told = now
		c.h.l.tell("nbpipe is being copied to %s%s", c.h.host, c.h.progress())
	}
	return n, err
}

// progress is how far a copy is, in words; "" for one that waits for its turn.
func (h *host) progress() string {
	all := h.toCopy.Load()
	if all == 0 {
		return ""
	}
	const mebi = 1 << 20
	return fmt.Sprintf(" (%.1f of %.1f MiB)", float64(h.copied.Load())/mebi, float64(all)/mebi)
}

func temporary() (string, error) {
	var b [8]byte
	_, err := rand.Read(b[:])
	return "tmp-" + hex.EncodeToString(b[:]), err
}

// refresh writes what workers read, where it is not as it is here.
func (h *host) refresh(ctx context.Context, s seen, files []string) error {
	folder := s.home + "/.cache/nbpipe/" + h.folder() + "/files"
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			return &unusable{fmt.Sprintf("what its workers need cannot be read: %v", err)}
		}
		b = translateContent(b, files, folder)
		d := cache.DigestOf(b)
		if h.wrote[path] == d && s.files[remoteName(path)] {
			continue
		}
		name, err := temporary()
		if err != nil {
			return err
		}
		if err := h.put(ctx, folder+"/"+name, bytes.NewReader(b), int64(len(b))); err != nil {
			return err
		}
		check := fmt.Sprintf("echo \"%s  $site/files/%s\" | sha256sum -c >/dev/null 2>&1 && ", d, name)
		lines, err := h.script(ctx, h.prelude()+check+replace(name, remoteName(path)))
		if err == nil && !slices.Contains(lines, "written") {
			err = &unusable{"what workers need cannot be written there: is its disk full?"}
		}
		if err != nil {
			return err
		}
		h.wrote[path] = d
	}
	return nil
}

// act starts and ends workers.
func (h *host) act(ctx context.Context, s seen, files []string) (bool, error) {
	folder := s.home + "/.cache/nbpipe/" + h.folder() + "/files"
	text := h.prelude()
	var starts, ends []string
	h.l.mu.Lock()
	for id, w := range h.workers {
		switch {
		case w.cancelled && w.state == launch.Running:
			ends = append(ends, id)
			text += end(id)
		case w.cancelled:
			delete(h.workers, id)
		case w.state == launch.Pending && !w.sent:
			w.sent = true
			starts = append(starts, id)
			text += start(h.host, id, h.l.Prologue, translate(w.Args, files, folder), w.Files, w.gpus, h.l.GPUs)
		}
	}
	h.l.mu.Unlock()
	if len(starts)+len(ends) == 0 {
		return false, nil
	}
	lines, err := h.script(ctx, text)
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	for _, id := range ends {
		if w := h.workers[id]; w != nil && err == nil {
			w.cancelled = false
		}
	}
	for _, id := range starts {
		w := h.workers[id]
		switch {
		case w == nil: // given up meanwhile
		case slices.Contains(lines, "started "+id):
			w.state = launch.Running
		case slices.Contains(lines, "lacking "+id): // its files were just taken away with an earlier worker
			w.sent = false
		case err == nil:
			w.state, w.reason = launch.Ended, "it could not be started on "+h.host
		}
	}
	return true, err
}
