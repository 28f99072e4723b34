package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/team"
	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/pipeline/run"
)

// errAllNodes says that --all is about no nodes.
var errAllNodes = errors.New("--all is about everything, and takes no nodes: name at most an experiment, whose settings say which team cache")

// withBucket opens the team cache and the local store, without planning anything.
// The experiment says which team cache; where the user's own settings name the
// bucket, none is read.
func (a *app) withBucket(ctx context.Context, args []string, f func(*session, *view) error) error {
	if len(args) > 1 || len(parseTarget(args).addresses) > 0 {
		return withCode(exitUsage, errAllNodes)
	}
	s, err := a.openMeant(ctx, args)
	if err != nil {
		return err
	}
	defer s.close()
	config, err := s.bucket()
	if err != nil {
		return err
	}
	v := a.newView()
	defer v.close()
	t, err := a.openTeam(ctx, s, config, a.tell)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return withCode(exitStore, err)
	}
	s.use(t, nil)
	s.trust.LoadChecks(s.store)
	return f(s, v)
}

// openMeant opens the local store, and the experiment if it has to say something.
func (a *app) openMeant(ctx context.Context, args []string) (*session, error) {
	if a.settings.Remote.Bucket == "" && a.settings.Remote.Folder == "" {
		s, err := a.open(ctx, args, false)
		if err != nil {
			return nil, err
		}
		if err := s.parse(ctx); err != nil {
			s.close()
			return nil, err
		}
		return s, nil
	}
	set, keys, err := a.trusted()
	if err != nil {
		return nil, err
	}
	store, err := a.openStoreFor(ctx, set, keys)
	return &session{app: a, trust: set, keys: keys, store: store}, err
}

// bucket is the team cache to use, which the user has agreed to.
func (s *session) bucket() (s3.Config, error) {
	config, err := s.meant()
	if err == nil && !s.agreed() {
		err = s.notAgreed()
	}
	return config, err
}

// meant is the team cache to use, which the user may not have agreed to.
func (s *session) meant() (s3.Config, error) {
	r := &s.app.settings.Remote
	var project *lang.CacheSettings
	if s.x != nil {
		project = s.x.Cache
	}
	config, ok := r.config(project)
	if !ok || r.Off {
		return config, withCode(exitUsage, errNoRemote)
	}
	return config, nil
}

// meter shows how far the moving of everything is.
type meter struct {
	v     *view
	what  string                // such as "publishing to the team cache"
	bytes func(now int64) int64 // that were moved, given those of the batch on its way

	mu   sync.Mutex
	text string // of results
	now  int64
	told time.Time
}

// tellEvery is the pause between events of transfers: there is one for each piece
// of content, and there may be a terabyte.
const tellEvery = 250 * time.Millisecond

// moved is told of the bytes of a batch.
func (m *meter) moved(_ string, done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = max(m.now, done)
	m.show()
	if now := time.Now(); done >= total || now.Sub(m.told) >= tellEvery {
		m.told = now
		m.v.event(run.Event{Time: now, Type: run.EventTransfer, Message: m.what, Done: done, Total: total, Unit: "bytes"})
	}
}

// results is told when a batch is done; a total of 0 is not known.
func (m *meter) results(text string, done, total int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now, m.text = 0, text
	m.show()
	if m.v.app.json { // for people, it is in the head
		m.v.event(run.Event{Time: time.Now(), Type: run.EventTransfer, Message: m.what, Done: int64(done), Total: int64(total), Unit: "results"})
	}
}

func (m *meter) show() { m.v.phase(m.what + ": " + m.text + ", " + byteText(m.bytes(m.now))) }

// allPushedJSON is the last line of `cache push --all --json`.
type allPushedJSON struct {
	Event      string       `json:"event"` // "result"
	Results    int          `json:"results"`
	Published  int          `json:"published"`
	Present    int          `json:"present"`
	Blobs      int          `json:"blobs"`
	Bytes      int64        `json:"bytes"`
	Failed     int          `json:"failed"`
	PassedOver team.Reasons `json:"passed_over"`
	Left       int          `json:"left"` // not looked at, since it ended before
}

func (s *session) pushAll(ctx context.Context, v *view) error {
	m := &meter{v: v, what: "publishing to the team cache", text: "looking at what is here"}
	m.bytes = func(now int64) int64 { return s.team.Report().Sent + now }
	m.show()
	s.team.Progress = m.moved
	got, err := s.team.PushAll(ctx, func(p team.AllPushed) {
		m.results(fmt.Sprintf("%d of %s", p.Done, count(p.Total, "result")), p.Done, p.Total)
	})
	v.close()
	s.app.printAllPushed(got)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return withCode(exitStore, err)
	case got.Failed > 0:
		return silently(exitDifference)
	}
	return nil
}

func (a *app) printAllPushed(p team.AllPushed) {
	if a.json {
		a.printLine(allPushedJSON{"result", p.Total, p.Published, p.Present, p.Blobs, p.Bytes, p.Failed, reasonsJSON(p.Unusable), p.Total - p.Done})
		return
	}
	for _, f := range p.Failures {
		a.note("not published: the result of key %s: %v", f.Key.Short(), f.Err)
	}
	if more := p.Failed - len(p.Failures); more > 0 {
		a.note("not published: %d more", more)
	}
	for _, line := range passedOver("not published", p.Unusable) {
		a.note("%s", line)
	}
	fmt.Fprintf(a.stdout, "%s published (%s sent), %d there already%s\n", count(p.Published, "result"), byteText(p.Bytes), p.Present, leftText(p.Total-p.Done))
}

func leftText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d not done yet", n)
}

// allPulledJSON is the last line of `cache pull --all --json`.
type allPulledJSON struct {
	Event      string       `json:"event"` // "result"
	Results    int          `json:"results"`
	Taken      int          `json:"taken"`
	Here       int          `json:"here"`
	Bytes      int64        `json:"bytes"`
	Unsigned   int          `json:"unsigned"`
	Damaged    int          `json:"damaged"`
	Incomplete int          `json:"incomplete"`
	PassedOver team.Reasons `json:"passed_over"`
}

func (s *session) pullAll(ctx context.Context, v *view) error {
	m := &meter{v: v, what: "fetching from the team cache", text: "looking at what is there"}
	m.bytes = func(int64) int64 { return s.team.Report().Fetched }
	m.show()
	s.team.Progress = m.moved
	got, err := s.team.PullAll(ctx, s.trust, func(p team.AllPulled) {
		m.results(fmt.Sprintf("%s seen, %d taken", count(p.Seen, "result"), p.Taken), p.Taken+p.Here, 0)
	})
	v.close()
	_ = s.trust.SaveChecks(s.store) // saves time only
	s.app.printAllPulled(got, s.team.Report().Fetched)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return withCode(exitStore, err)
	case got.Damaged+got.Incomplete > 0:
		return silently(exitDifference)
	}
	return nil
}

func (a *app) printAllPulled(p team.AllPulled, fetched int64) {
	if a.json {
		a.printLine(allPulledJSON{"result", p.Seen, p.Taken, p.Here, fetched, p.Unsigned, p.Damaged, p.Incomplete, reasonsJSON(p.Refused)})
		return
	}
	lines := teamText(team.Report{Unsigned: p.Unsigned, Damaged: p.Damaged}, 0)
	if p.Incomplete > 0 {
		lines = append(lines, fmt.Sprintf("team cache: %s passed over, since their content is not there, or is damaged; see nbpipe cache doctor --remote", count(p.Incomplete, "result")))
	}
	for _, line := range append(lines, passedOver("not used", p.Refused)...) {
		a.note("%s", line)
	}
	fmt.Fprintf(a.stdout, "%s taken (%s fetched), %d here already, of %d in the team cache\n", count(p.Taken, "result"), byteText(fetched), p.Here, p.Seen)
}

// passedOver says which results were left out and why, a line each.
func passedOver(what string, reasons map[string]int) []string {
	var out []string
	for _, reason := range sortedKeys(reasons) {
		out = append(out, fmt.Sprintf("team cache: %s %s: %s", count(reasons[reason], "result"), what, printable(reason)))
	}
	return out
}

// reasonsJSON is an object also where there are none.
func reasonsJSON(r team.Reasons) team.Reasons {
	if r == nil {
		return team.Reasons{}
	}
	return r
}

// printLine writes a document on one line, as the last of events.
func (a *app) printLine(doc any) {
	b, _ := json.Marshal(doc)
	fmt.Fprintf(a.stdout, "%s\n", b)
}
