package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
)

// mostBarren is how many workers in a row may end without having run anything
// while there is something to run.
const mostBarren = 3

// A store that the workers' machines cannot reach is to be found with one worker, not
// with a thousand. That one has begun an action is the proof: it has read the store
// and written to it. Until then there is one worker at a time, for all queues. The
// proof is kept in a file, so that only the first run of a setup waits for it, and is
// given up when a worker ends that has run nothing.

// proofText is what the file holds: a proof is good for one store and one setup.
func (l *loop) proofText() string {
	return cache.DigestOf(fmt.Appendf(nil, "%q %q %q", l.Store.ID(), l.Store.Place(), l.Setup)).String() + "\n"
}

// remembered reports whether an earlier run has proven it.
func (l *loop) remembered() bool {
	if l.Proof == "" {
		return false
	}
	want := l.proofText()
	info, err := os.Stat(l.Proof)
	if err != nil || info.Size() != int64(len(want)) {
		return false
	}
	have, err := os.ReadFile(l.Proof)
	return err == nil && string(have) == want
}

// proven reports whether a worker has begun an action, in this run or an earlier one.
func (l *loop) proven() bool {
	if !l.works && slices.ContainsFunc(l.order, func(n *line) bool { return len(n.useful) > 0 || n.anyClaimed() }) {
		l.prove()
	}
	return l.works
}

// prove notes that a worker has begun an action.
func (l *loop) prove() {
	if !l.works && l.Proof != "" {
		if err := cache.ReplaceFile(l.Proof, []byte(l.proofText()), 0o600, false); err != nil {
			l.tell("executor %q: that workers reach the cache is not remembered for the next run: %v", l.Name, err)
		}
	}
	l.works = true
}

// doubt gives the proof up.
func (l *loop) doubt() {
	l.works = false
	if l.Proof == "" {
		return
	}
	if err := os.Remove(l.Proof); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.tell("executor %q: the next run takes it that workers reach the cache, which is in doubt: %v", l.Name, err)
	}
}

// giveUp fails what waits for workers that do not come to run anything.
func (l *loop) giveUp() {
	proven := l.proven()
	var all []launch.Status
	for _, n := range l.order {
		switch {
		case n.open() == 0:
			n.barren = nil
		case len(n.barren) >= mostBarren && !n.anyClaimed() && proven:
			l.failLine(n, fmt.Errorf("executor %q: %d workers ended without having run anything. %s", l.Name, len(n.barren), endings(n.barren)))
		}
		all = append(all, n.barren...)
	}
	if !proven && len(all) >= mostBarren {
		l.refuse(fmt.Errorf("executor %q: no worker has reached the cache %s: %d were started, one after the other, and each ended without having begun anything, so no more were asked for. %s. Their machines need the cache, nbpipe and its folder at the same places as this one",
			l.Name, l.Store.Place(), len(all), endings(all)))
	}
}

// refuse fails what waits, and what comes later.
func (l *loop) refuse(err error) {
	l.refused = err
	for _, n := range l.order {
		l.failLine(n, err)
	}
}

// endings says how workers ended.
func endings(all []launch.Status) string {
	var said []saying
	for _, s := range all {
		said = append(said, saying{s.Host, s.Reason})
	}
	return sayings(said)
}

// saying is what is known from one machine.
type saying struct{ host, text string }

// sayings are each said once, with the machines that it is known from, in the order
// in which they came: "On n1, n2: ... . On n3: ...".
func sayings(all []saying) string {
	var texts []string
	hosts := map[string][]string{}
	for _, s := range all {
		text := strings.TrimRight(s.text, ". ")
		if text == "" {
			text = "nothing is known of why"
		}
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
		host := s.host
		if host == "" {
			host = "a machine that is not known"
		}
		if !slices.Contains(hosts[text], host) {
			hosts[text] = append(hosts[text], host)
		}
	}
	for i, t := range texts {
		texts[i] = "On " + strings.Join(hosts[t], ", ") + ": " + t
	}
	return strings.Join(texts, ". ")
}
