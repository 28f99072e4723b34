package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/nbpipe/nbpipe/pipeline/run"
)

// view shows how a run goes: on a terminal a few lines that are redrawn at
// least once a second, else plain lines, at least one in 30 s; with --json the
// events themselves.
type view struct {
	app  *app
	term terminal

	mu       sync.Mutex
	head     string
	running  map[string]*activity
	order    []string // of running, by start
	total    int64
	done     int64
	started  time.Time
	lastLine time.Time
	said     repeats // of failures
	drawn    int     // lines of the live part on the screen
	stop     chan struct{}
	stopped  sync.WaitGroup
	closed   bool
	many     bool
	queued   map[string]bool // nodes that wait for a worker
	pending  string          // why the last of them does

	transfer     *activity // of content from or to the team cache
	transferring string
}

type activity struct {
	since       time.Time
	done, total int64
	unit        string
}

const (
	redrawEvery  = 250 * time.Millisecond
	plainSilence = 30 * time.Second
	mostRunning  = 8 // lines of running stages

	// From so many nodes on, single starts and ends are no longer told, only
	// how far the run is.
	manyNodes   = 300
	manySilence = 5 * time.Second
)

func (a *app) newView() *view {
	v := &view{app: a, term: a.terminal(a.stderr), running: map[string]*activity{}, started: time.Now(), stop: make(chan struct{})}
	v.lastLine = v.started
	v.stopped.Go(v.tick)
	a.showing.Lock()
	defer a.showing.Unlock()
	a.view = v
	return v
}

// phase says what is being done before there are events.
func (v *view) phase(what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.head = what
}

func (v *view) tick() {
	t := time.NewTicker(redrawEvery)
	defer t.Stop()
	for {
		select {
		case <-v.stop:
			return
		case <-t.C:
			v.mu.Lock()
			v.redraw()
			v.mu.Unlock()
		}
	}
}

func (v *view) close() {
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return
	}
	v.closed = true
	v.mu.Unlock()
	v.app.showing.Lock()
	v.app.view = nil
	v.app.showing.Unlock()
	close(v.stop)
	v.stopped.Wait()
	v.erase()
}

// event shows one event of a run.
func (v *view) event(e run.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.track(e)
	if v.app.json {
		v.encode(e)
		return
	}
	routine := e.Type == run.EventStarted || e.Type == run.EventPending || e.Type == run.EventFinished
	if routine && v.many {
		return
	}
	if line := v.line(e); line != "" {
		v.erase()
		fmt.Fprintln(v.app.stderr, line)
		v.lastLine = time.Now()
	}
}

func (v *view) encode(e run.Event) {
	if doc, err := json.Marshal(e); err == nil {
		fmt.Fprintf(v.app.stdout, "%s\n", doc)
	}
}

func (v *view) track(e run.Event) {
	switch e.Type {
	case run.EventPlanned:
		v.total, v.done = e.Total, e.Cached
		v.many = e.Total-e.Cached >= manyNodes
	case run.EventQueued:
		if v.queued == nil {
			v.queued = map[string]bool{}
		}
		v.queued[e.Node] = true
	case run.EventPending:
		v.pending = e.Message
	case run.EventStarted:
		delete(v.queued, e.Node)
		if v.running[e.Node] != nil {
			return
		}
		v.running[e.Node] = &activity{since: e.Time}
		v.order = append(v.order, e.Node)
	case run.EventProgress:
		if a := v.running[e.Node]; a != nil {
			a.done, a.total, a.unit = e.Done, e.Total, e.Unit
		}
	case run.EventCached, run.EventSkipped:
		v.done++
		delete(v.queued, e.Node)
	case run.EventTransfer:
		v.transfer = &activity{since: v.started, done: e.Done, total: e.Total, unit: e.Unit}
		v.transferring = e.Message
		if e.Done >= e.Total {
			v.transfer = nil
		}
	case run.EventFinished, run.EventFailed, run.EventStopped:
		v.done++
		v.ended(e.Node)
	case run.EventWaiting:
		v.ended(e.Node)
	case run.EventLost:
		v.done--
	}
}

func (v *view) ended(node string) {
	delete(v.queued, node)
	delete(v.running, node)
	v.order = slices.DeleteFunc(v.order, func(n string) bool { return n == node })
}

// line is what an event leaves on the screen for good.
func (v *view) line(e run.Event) string {
	switch e.Type {
	case run.EventStarted:
		if v.term.tty {
			return ""
		}
		return "run   " + e.Node + because(e.Why)
	case run.EventPending:
		return "wait  " + e.Node + ": " + clip(printable(e.Message), 500) // a worker may have said so
	case run.EventFinished:
		return v.term.paint(green, "done") + "  " + e.Node + "  " + seconds(e.Seconds)
	case run.EventFailed:
		return v.failure(e)
	case run.EventStopped:
		return v.term.paint(yellow, "stop") + "  " + e.Node
	case run.EventLost:
		return v.term.paint(yellow, "lost") + "  " + e.Node + ": " + e.Message + "; it runs again for " + e.Cause
	case run.EventWaiting:
		return v.term.paint(yellow, "wait") + "  " + e.Node + ": " + e.Message + "; it starts again once that is there"
	case run.EventWarning:
		return v.term.paint(yellow, "warn") + "  " + e.Node + ": " + e.Message
	case run.EventLocked:
		return "lock  " + e.Node + ": " + e.Message + " recorded in " + e.Path
	case run.EventTeam:
		return e.Message
	}
	return ""
}

func because(why []string) string {
	if len(why) == 0 {
		return ""
	}
	more := ""
	if len(why) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(why)-1)
	}
	return "  (" + clip(why[0], 160) + more + ")"
}

func clip(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-3]) + "..."
}

func (v *view) failure(e run.Event) string {
	var b strings.Builder
	if v.said == nil {
		v.said = repeats{}
	}
	b.WriteString(v.term.paint(red, "fail") + "  " + e.Node + ": " + printableLines(v.said.text(e.Node, e.Message)))
	if e.LogTail != "" {
		b.WriteString("\n      the end of what it printed:")
		for _, l := range strings.Split(e.LogTail, "\n") {
			b.WriteString("\n      | " + printable(l))
		}
	}
	if e.LogPath != "" {
		b.WriteString("\n      all of it: " + e.LogPath)
	}
	return b.String()
}

// repeats shows a long text once: what keeps a thousand nodes from running is one
// thing, and the same text for each of them.
type repeats map[string]string // who had it first

func (r repeats) text(node, text string) string {
	const long = 200
	if len(text) < long {
		return text
	}
	if first, ok := r[text]; ok {
		return "the same as " + first
	}
	r[text] = node
	return text
}

func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return strings.Join(lines, "\n")
}

// printable keeps a stage's output from moving the cursor or worse.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return -1
		}
		return r
	}, s)
}

func seconds(s float64) string {
	switch {
	case s < 10:
		return fmt.Sprintf("%.1f s", s)
	case s < 120:
		return fmt.Sprintf("%.0f s", s)
	}
	return (time.Duration(s) * time.Second).String()
}

// redraw shows the live part again, or on no terminal breaks a long silence.
func (v *view) redraw() {
	if v.app.json {
		return
	}
	if !v.term.tty {
		patience := plainSilence
		if v.many {
			patience = manySilence
		}
		if time.Since(v.lastLine) >= patience {
			fmt.Fprintln(v.app.stderr, v.summary()+v.longest())
			v.lastLine = time.Now()
		}
		return
	}
	if time.Since(v.started) < redrawEvery {
		return
	}
	lines := []string{v.term.paint(bold, v.summary())}
	for i, name := range v.order {
		if i == mostRunning {
			lines = append(lines, fmt.Sprintf("  and %d more", len(v.order)-mostRunning))
			break
		}
		lines = append(lines, v.activityLine(name))
	}
	if t := v.transfer; t != nil {
		lines = append(lines, "  "+v.transferring+"  "+bar(t.done, t.total)+"  "+amount(t.done, t.unit)+" of "+amount(t.total, t.unit))
	}
	v.erase()
	for _, l := range lines {
		fmt.Fprintln(v.app.stderr, l)
	}
	v.drawn = len(lines)
}

func (v *view) summary() string {
	if v.total == 0 {
		return fmt.Sprintf("%s  %s", v.head, seconds(time.Since(v.started).Seconds()))
	}
	waiting := ""
	if len(v.queued) > 0 {
		waiting = fmt.Sprintf(", %d queued", len(v.queued))
		if v.pending != "" && len(v.running) == 0 {
			waiting += " (" + clip(v.pending, 80) + ")"
		}
	}
	return fmt.Sprintf("%d of %d nodes done, %d running%s  %s", v.done, v.total, len(v.running), waiting, seconds(time.Since(v.started).Seconds()))
}

func (v *view) longest() string {
	if len(v.order) == 0 {
		return ""
	}
	n := v.order[0]
	return fmt.Sprintf("; longest: %s, %s", n, seconds(time.Since(v.running[n].since).Seconds()))
}

func (v *view) activityLine(name string) string {
	a := v.running[name]
	text := fmt.Sprintf("  %s  %s", name, seconds(time.Since(a.since).Seconds()))
	switch {
	case a.total > 0:
		text += "  " + bar(a.done, a.total) + "  " + amount(a.done, a.unit) + " of " + amount(a.total, a.unit)
	case a.done > 0:
		text += "  " + amount(a.done, a.unit)
	}
	if v.term.width > 0 {
		text = clip(text, max(20, v.term.width-1))
	}
	return text
}

func bar(done, total int64) string {
	const width = 20
	n := int(min(max(0, done), total) * width / total)
	return "[" + strings.Repeat("=", n) + strings.Repeat(" ", width-n) + "]"
}

func amount(n int64, unit string) string {
	if unit != "bytes" {
		return fmt.Sprintf("%d %s", n, unit)
	}
	return byteText(n)
}

func byteText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// erase removes the live part from the screen.
func (v *view) erase() {
	if v.drawn > 0 {
		fmt.Fprintf(v.app.stderr, "\r\x1b[%dA\x1b[J", v.drawn)
		v.drawn = 0
	}
}
