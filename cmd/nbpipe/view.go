package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
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
	drawn    []int // lines of the live part on the screen: columns of each
	stop     chan struct{}
	stopped  sync.WaitGroup
	closed   bool
	many     bool
	queued   map[string]string // nodes that wait for a worker, and why, as far as is known
	held     []*told           // what is told of several nodes at once, soon
	failures map[string]bool   // what was told of failures already

	transfer     *activity // of content from or to the team cache
	transferring string
}

type activity struct {
	since       time.Time
	where       string // another machine
	said        string // the last line that it printed
	done, total int64
	unit        string
}

// told is something that holds for several nodes.
type told struct {
	event run.Event
	nodes []string
}

const (
	redrawEvery  = 250 * time.Millisecond
	plainSilence = 30 * time.Second
	mostRunning  = 8 // lines of running stages
	mostReasons  = 3 // why nodes wait
	mostNamed    = 2 // nodes for which something holds

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
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erase()
	v.flush()
}

// event shows one event of a run.
func (v *view) event(e run.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	at := v.running[e.Node]
	again := e.Type == run.EventStarted && at != nil
	v.track(e)
	if v.app.json {
		v.encode(e)
		return
	}
	if again {
		return
	}
	routine := e.Type == run.EventStarted || e.Type == run.EventPending || e.Type == run.EventFinished
	if routine && v.many || v.hold(e) {
		return
	}
	if line := v.line(e, at.on()); line != "" {
		v.flush()
		v.print(line)
	}
}

func (v *view) print(line string) {
	v.erase()
	fmt.Fprintln(v.app.stderr, line)
	v.lastLine = time.Now()
}

// hold keeps what is likely to hold for many nodes, and comes for each of them: why
// they wait, and mistakes that are no single node's, such as those of an executor's
// block.
func (v *view) hold(e run.Event) bool {
	switch {
	case e.Type == run.EventPending:
		if v.term.tty { // the live part says so
			return true
		}
	case e.Type != run.EventFailed || e.LogTail != "" || e.LogPath != "":
		return false
	case v.failures[e.Message]: // the end of the run counts them
		return true
	}
	for _, h := range v.held {
		if h.event.Type == e.Type && h.event.Message == e.Message {
			h.nodes = append(h.nodes, e.Node)
			return true
		}
	}
	v.held = append(v.held, &told{e, []string{e.Node}})
	return true
}

// flush tells what was held.
func (v *view) flush() {
	for _, h := range v.held {
		h.event.Node = abbreviate(h.nodes, mostNamed)
		v.print(v.line(h.event, ""))
		if h.event.Type == run.EventFailed {
			if v.failures == nil {
				v.failures = map[string]bool{}
			}
			v.failures[h.event.Message] = true
		}
	}
	v.held = nil
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
	case run.EventQueued, run.EventPending:
		if v.queued == nil {
			v.queued = map[string]string{}
		}
		v.queued[e.Node] = e.Message
	case run.EventStarted:
		v.began(e)
	case run.EventLog:
		if a := v.running[e.Node]; a != nil {
			a.said = cmp.Or(lastLine(e.Message), a.said)
		}
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

func (v *view) began(e run.Event) {
	delete(v.queued, e.Node)
	if a := v.running[e.Node]; a != nil {
		a.where = cmp.Or(e.Where, a.where)
		return
	}
	v.running[e.Node] = &activity{since: e.Time, where: e.Where}
	v.order = append(v.order, e.Node)
}

// lastLine is the last line of a text that has something on it.
func lastLine(s string) string {
	s = strings.TrimRight(s, "\r\n \t")
	return strings.TrimSpace(printable(s[strings.LastIndexAny(s, "\r\n")+1:]))
}

func (v *view) ended(node string) {
	delete(v.queued, node)
	delete(v.running, node)
	v.order = slices.DeleteFunc(v.order, func(n string) bool { return n == node })
}

// line is what an event leaves on the screen for good. The node ran on a machine, "" or
// " on NAME".
func (v *view) line(e run.Event, on string) string {
	switch e.Type {
	case run.EventStarted:
		if v.term.tty {
			return ""
		}
		return "run   " + e.Node + because(e.Why)
	case run.EventPending:
		return "wait  " + e.Node + ": " + clip(printable(e.Message), 500) // a worker may have said so
	case run.EventFinished:
		return v.term.paint(green, "done") + "  " + e.Node + "  " + seconds(e.Seconds) + on
	case run.EventFailed:
		return v.failure(e, on)
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

func (v *view) failure(e run.Event, on string) string {
	var b strings.Builder
	b.WriteString(v.term.paint(red, "fail") + "  " + e.Node + on + ": " + printableLines(e.Message))
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
	v.flush()
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
	v.term.width = v.app.terminal(v.app.stderr).width // it may have changed
	lines := v.live()
	v.erase()
	for i, l := range lines {
		v.drawn = append(v.drawn, utf8.RuneCountInString(l))
		if i == 0 {
			l = v.term.paint(bold, l)
		}
		fmt.Fprintln(v.app.stderr, l)
	}
}

// live are the lines of the live part: none is wider than the screen, or it could not
// be erased.
func (v *view) live() []string {
	lines := []string{v.summary()}
	for i, name := range v.order {
		if i == mostRunning {
			lines = append(lines, fmt.Sprintf("  and %d more", len(v.order)-mostRunning))
			break
		}
		lines = append(lines, v.activityLine(name))
	}
	for _, reason := range v.reasons() {
		for i, l := range diagnostic.Wrap(reason, v.columns()-len("    ")) {
			lines = append(lines, strings.Repeat("  ", min(i, 1)+1)+l)
		}
	}
	if t := v.transfer; t != nil {
		lines = append(lines, "  "+v.transferring+"  "+t.share())
	}
	for i, l := range lines {
		lines[i] = clip(l, v.columns())
	}
	return lines
}

// columns is how wide a line may be.
func (v *view) columns() int {
	if v.term.width <= 0 {
		return math.MaxInt
	}
	return max(20, v.term.width-1)
}

// reasons are why nodes wait for a worker, those of the most nodes first.
func (v *view) reasons() []string {
	nodes := map[string][]string{}
	for _, n := range sortedKeys(v.queued) {
		if why := v.queued[n]; why != "" {
			nodes[why] = append(nodes[why], n)
		}
	}
	all := sortedKeys(nodes)
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(len(nodes[b]), len(nodes[a])) })
	for i, why := range all {
		all[i] = abbreviate(nodes[why], mostNamed) + ": " + printable(why)
	}
	if len(all) > mostReasons {
		all = append(all[:mostReasons], fmt.Sprintf("and %d more reasons", len(all)-mostReasons))
	}
	return all
}

func (v *view) summary() string {
	if v.total == 0 {
		return fmt.Sprintf("%s  %s", v.head, seconds(time.Since(v.started).Seconds()))
	}
	waiting := ""
	if len(v.queued) > 0 {
		waiting = fmt.Sprintf(", %d queued", len(v.queued))
	}
	return fmt.Sprintf("%d of %d nodes done, %d running%s  %s", v.done, v.total, len(v.running), waiting, seconds(time.Since(v.started).Seconds()))
}

// longest says what a silence is about.
func (v *view) longest() string {
	if len(v.order) == 0 {
		if r := v.reasons(); len(r) > 0 {
			return "; " + r[0]
		}
		return ""
	}
	n := v.order[0]
	return fmt.Sprintf("; longest: %s, %s", n+v.running[n].on(), seconds(time.Since(v.running[n].since).Seconds()))
}

func (a *activity) on() string {
	if a == nil || a.where == "" {
		return ""
	}
	return " on " + printable(a.where)
}

func (v *view) activityLine(name string) string {
	a := v.running[name]
	text := fmt.Sprintf("  %s%s  %s", name, a.on(), seconds(time.Since(a.since).Seconds()))
	switch {
	case a.total > 0:
		text += "  " + a.share()
	case a.done > 0:
		text += "  " + amount(a.done, a.unit)
	case a.said != "":
		text += "  | " + a.said
	}
	return text
}

// share says how much of something is done.
func (a *activity) share() string {
	done := strconv.FormatInt(a.done, 10)
	if a.unit == "bytes" {
		done = byteText(a.done)
	}
	return bar(a.done, a.total) + "  " + done + " of " + amount(a.total, a.unit)
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

// erase removes the live part from the screen. Lines that were drawn on a wider one
// take several now.
func (v *view) erase() {
	rows := 0
	for _, n := range v.drawn {
		rows++
		if v.term.width > 0 && n > 0 {
			rows += (n - 1) / v.term.width
		}
	}
	if rows > 0 {
		fmt.Fprintf(v.app.stderr, "\r\x1b[%dA\x1b[J", rows)
	}
	v.drawn = v.drawn[:0]
}
