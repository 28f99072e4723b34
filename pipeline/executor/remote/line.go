package remote

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/stages"
)

// class is what actions have to have in common for any worker of a queue to run any
// of them: what they ask for. Stages on GPUs, and exclusive ones, get a worker each.
type class struct {
	CPUs   float64
	Memory int64
	GPUs   int
	Time   int64
	alone  bool   // a machine each
	model  string // of GPUs
	avoid  string // hosts that are not fit for them, sorted, with commas between
}

func classOf(r stages.Resources) class {
	return class{r.CPUs, r.Memory, r.GPUs, r.Time, r.Exclusive, r.GPUModel, ""}
}

// exclusive reports whether each action has a worker of its own.
func (c class) exclusive() bool { return c.GPUs > 0 || c.alone }

func (c class) resources() stages.Resources {
	return stages.Resources{CPUs: c.CPUs, Memory: c.Memory, GPUs: c.GPUs, Time: c.Time, GPUModel: c.model, Exclusive: c.alone}
}

// name is the class as part of a queue's ID: the same in every run.
func (c class) name() string {
	return cache.DigestOf(fmt.Appendf(nil, "%v %d %d %d %t %q %q", c.CPUs, c.Memory, c.GPUs, c.Time, c.alone, c.model, c.avoid)).Short()
}

// line is the queue of a class.
type line struct {
	class
	queue *queue.Queue
	known bool // what an earlier controller left was looked at
	fit   bool // the launcher has nothing against it

	left    map[cache.Key]leftover      // runs, asked for by an earlier controller
	at      map[queue.Attempt]*attempt  // asked for by this one, or adopted; until their jobs are done
	beats   map[queue.Attempt]time.Time // last signs of life
	checked time.Time                   // when tickets were last seen to be there
	waiting []*job                      // not asked for yet

	workers   map[string]launch.Status // that have not ended, as the launcher says
	asked     map[string]time.Time     // started, and not told about by the launcher yet
	started   map[string]time.Time     // by this controller
	useful    map[string]bool          // workers that have ended an attempt
	barren    []launch.Status          // workers in a row that ended, and had not
	leaving   int                      // workers that were told to make room for those of another queue
	dismissed map[string]bool          // of those, the ones that had not begun
	pauses    pauses                   // between requests for workers that fail
	reason    string                   // the launcher's, why workers ended

	shunned  map[string]bool // hosts that workers go to only where there are no others
	anywhere bool            // there are none
}

// attempt is one ticket.
type attempt struct {
	name    queue.Attempt
	line    *line
	job     *job
	made    time.Time // by this machine's clock
	until   time.Time // when its certificate ends, by the store's clock
	claimed bool
	worker  string
	pieces  int       // of the log that were read
	came    int64     // how far, as it last said
	written int       // bytes of it in the file
	looked  time.Time // when its claim was read
	named   time.Time // when it named the worker first
	over    bool      // lost, or given back: another one was asked for
	read    bool      // its result
	passed  passed    // results that are not believed
	doubted time.Time // since when its claim is not believed; zero if it is
	silent  bool      // its worker may be there, and does nothing
	lost    *doubt    // an input that it did not find; nil for none, or settled
}

func (l *loop) lineOf(c class) (*line, error) {
	if got, ok := l.lines[c]; ok {
		return got, nil
	}
	q, err := l.openQueue(l.ID + "." + c.name())
	if err != nil {
		return nil, err
	}
	n := newLine(c, q)
	l.lines[c] = n
	l.order = append(l.order, n)
	return n, nil
}

func (l *loop) openQueue(id string) (*queue.Queue, error) {
	return queue.New(l.Store.Work(), id, queue.Keys{Workers: l.Key, Controller: l.User.Private.Public().(ed25519.PublicKey), Own: l.User.Private})
}

func newLine(c class, q *queue.Queue) *line {
	return &line{
		class: c, queue: q, left: map[cache.Key]leftover{}, at: map[queue.Attempt]*attempt{},
		beats: map[queue.Attempt]time.Time{}, workers: map[string]launch.Status{}, asked: map[string]time.Time{}, started: map[string]time.Time{}, useful: map[string]bool{}, shunned: map[string]bool{}, dismissed: map[string]bool{},
	}
}

// workerID names a worker so that its queue can be told.
func (n *line) workerID() (string, error) {
	var id [6]byte
	_, err := rand.Read(id[:])
	return n.queue.ID() + "." + hex.EncodeToString(id[:]), err
}

func resourcesOf(lines []*line) []stages.Resources {
	out := make([]stages.Resources, len(lines))
	for i, n := range lines {
		out[i] = n.resources()
	}
	return out
}

// open counts the actions that a worker could run and none has finished.
func (n *line) open() int {
	count := 0
	for _, j := range n.waiting {
		if !j.held && n.fit {
			count++
		}
	}
	for _, a := range n.at {
		if !a.over {
			count++
		}
	}
	return count
}

// oldest is the attempt before which everything is done: listings begin there.
func (n *line) oldest() queue.Attempt {
	var first queue.Attempt
	for name := range n.at {
		if first == "" || name < first {
			first = name
		}
	}
	for _, left := range n.left {
		if left.name < first {
			first = left.name
		}
	}
	if first == "" {
		return ""
	}
	// Listings give what comes after a name.
	b := []byte(first)
	b[len(b)-1]--
	return queue.Attempt(b)
}
