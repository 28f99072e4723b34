package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/pipeline/executor/wire"
)

// Queue is a queue of actions in a store's work area. It is safe for concurrent use.
type Queue struct {
	work *s3.Work
	id   string
	keys Keys
}

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,127}$`)

// New makes a handle of a queue; nothing is written. An ID has lower-case letters,
// digits, dots and dashes.
func New(work *s3.Work, id string, keys Keys) (*Queue, error) {
	if !idPattern.MatchString(id) {
		return nil, fmt.Errorf("%q cannot name a queue: lower-case letters, digits, '.' and '-'", id)
	}
	return &Queue{work: work, id: id, keys: keys}, nil
}

// ID is the queue's name.
func (q *Queue) ID() string { return q.id }

// Now is the store's present time.
func (q *Queue) Now() time.Time { return q.work.Now() }

// Attempt names an attempt at an action.
type Attempt string

// NewAttempt names an attempt that is asked for at a time.
func NewAttempt(at time.Time, k cache.Key) Attempt {
	return Attempt(fmt.Sprintf("%012x-%s", max(0, at.UnixMilli()), k))
}

// Key is the key of the action; false for what is no name of an attempt.
func (a Attempt) Key() (cache.Key, bool) {
	at, key, ok := strings.Cut(string(a), "-")
	if _, err := strconv.ParseUint(at, 16, 64); !ok || len(at) != 12 || err != nil {
		return cache.Key{}, false
	}
	k, err := cache.ParseKey(key)
	return k, err == nil && string(a) == at+"-"+k.String()
}

// The folders of a queue.
const (
	tickets   = "tickets"
	claims    = "claims"
	logs      = "logs"
	results   = "results"
	cancelled = "cancelled"
)

func (q *Queue) name(folder string, a Attempt) string {
	return "attempts/" + q.id + "/" + folder + "/" + string(a)
}

// Bounds of what is read, in bytes.
const (
	maxTicket = 64 << 10
	maxClaim  = 16 << 10
	// MaxLog is the most that a piece of a log has.
	MaxLog = 1 << 20
	// MaxResult leaves room for an entry, whose outputs may be large.
	MaxResult = 96 << 20
)

// Ticket asks for an attempt.
type Ticket struct {
	Action      cache.Digest `json:"action"`      // of the serialised action
	Certificate []byte       `json:"certificate"` // see cache.Certificate
	Address     string       `json:"address"`     // of the node, for people
}

// Claim says which worker runs an attempt, and how far it is.
type Claim struct {
	Worker  string `json:"worker"`
	Host    string `json:"host,omitempty"`
	Beat    int    `json:"beat"` // how often it was written
	Logs    int    `json:"logs,omitempty"`
	Done    int64  `json:"done,omitempty"`
	Total   int64  `json:"total,omitempty"`
	Unit    string `json:"unit,omitempty"`
	Waits   string `json:"waits,omitempty"`   // why the stage has not begun yet
	Leaving bool   `json:"leaving,omitempty"` // the worker's time is over: somebody else has to begin again
}

// State is how an attempt ended.
type State string

// The states of a result.
const (
	Succeeded State = "succeeded" // the entry is published
	Failed    State = "failed"    // the stage failed
	TimedOut  State = "timed out"
	Cancelled State = "cancelled"
	LostInput State = "lost input" // the store does not have the bytes of an input
	Unfit     State = "unfit"      // the worker's machine cannot run it, another one may: other tools, other GPUs
	Refused   State = "refused"    // no worker may run it: it is not certified, or not what it says
	AskAgain  State = "ask again"  // the ticket is of no use: damaged, another one's, or its certificate has ended
	Left      State = "left"       // the worker had to leave in the middle of it; not the stage's fault
	StoreOut  State = "store"      // the store was away for too long
)

// Result says what became of an attempt. It is the worker's own record: nobody else
// has to remember how it ended.
type Result struct {
	State   State  `json:"state"`
	Worker  string `json:"worker"`
	Error   string `json:"error,omitempty"`
	LogTail string `json:"log_tail,omitempty"`
	Logs    int    `json:"logs,omitempty"` // number of pieces
	// Whole is the number of pieces in which the log's beginning and end are once more,
	// for who has not read all pieces; 0 where the pieces have all of it.
	Whole int `json:"whole,omitempty"`

	Exit  *int         `json:"exit,omitempty"`  // exit code of the stage's program, if it was one
	Input *LostFile    `json:"input,omitempty"` // of LostInput
	Entry []byte       `json:"entry,omitempty"` // of Succeeded: the signed entry as it was published
	Name  cache.Digest `json:"name,omitzero"`   // digest of Entry

	// WholeTime says, of Left, that nearly all of the worker's time was the attempt's: it
	// would not end in another worker's either.
	WholeTime bool `json:"whole_time,omitempty"`

	Used Used `json:"used"`
}

// LostFile is an input that the store was seen not to have.
type LostFile struct {
	Digest cache.Digest `json:"digest"`
	Name   string       `json:"name"`
	Blob   cache.Digest `json:"blob"` // that is not there: the input, or in the folder that it is
}

// Used is what an attempt used, and where.
type Used struct {
	Started   time.Time `json:"started"`
	Seconds   float64   `json:"seconds"`     // wall time
	CPU       float64   `json:"cpu_seconds"` // of all processes
	MaxRSS    int64     `json:"max_rss"`     // bytes, of the largest process
	Host      string    `json:"host,omitempty"`
	GPU       string    `json:"gpu,omitempty"` // model
	GPUDriver string    `json:"gpu_driver,omitempty"`
	Build     string    `json:"build,omitempty"`   // of nbpipe
	System    string    `json:"system,omitempty"`  // kernel
	Job       string    `json:"job,omitempty"`     // what the machine's scheduler calls it
	JobHas    string    `json:"job_has,omitempty"` // what the scheduler gave it, in words
}

// Object is an object of a queue as a listing shows it.
type Object struct {
	Attempt Attempt
	Size    int64
	Time    time.Time // when it was last written, by the store's clock
}

func (q *Queue) list(ctx context.Context, folder string, after Attempt) ([]Object, error) {
	prefix := q.name(folder, "")
	from := ""
	if after != "" {
		from = prefix + string(after)
	}
	found, err := q.work.List(ctx, prefix, from)
	if err != nil {
		return nil, err
	}
	out := make([]Object, 0, len(found))
	for _, f := range found {
		a := Attempt(path.Base(f.Name))
		if _, ok := a.Key(); ok && q.name(folder, a) == f.Name {
			out = append(out, Object{a, f.Size, f.Time})
		}
	}
	return out, nil
}

// Tickets lists the attempts that were asked for, the oldest first.
func (q *Queue) Tickets(ctx context.Context, after Attempt) ([]Object, error) {
	return q.list(ctx, tickets, after)
}

// Claims lists the attempts that were claimed; Time is the last sign of life.
func (q *Queue) Claims(ctx context.Context, after Attempt) ([]Object, error) {
	return q.list(ctx, claims, after)
}

// Results lists the attempts that have ended.
func (q *Queue) Results(ctx context.Context, after Attempt) ([]Object, error) {
	return q.list(ctx, results, after)
}

// Ask stores an action, and asks for an attempt at it.
func (q *Queue) Ask(ctx context.Context, a Attempt, t Ticket, action []byte) error {
	if err := q.keep(ctx, t, action); err != nil {
		return err
	}
	return q.create(ctx, q.name(tickets, a), t)
}

// Renew writes a ticket again, with another certificate.
func (q *Queue) Renew(ctx context.Context, a Attempt, t Ticket, action []byte) error {
	if err := q.keep(ctx, t, action); err != nil {
		return err
	}
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return q.work.Put(ctx, q.name(tickets, a), b)
}

func (q *Queue) keep(ctx context.Context, t Ticket, action []byte) error {
	if d := cache.DigestOf(action); d != t.Action {
		return fmt.Errorf("the ticket is for another action than %s", d.Short())
	}
	return q.work.Keep(ctx, "actions/"+t.Action.String(), action)
}

// Occasion is what the certificate of an attempt has to be for: a copy of its ticket
// under another name is not.
func (q *Queue) Occasion(a Attempt) string { return q.id + "/" + string(a) }

// Certificate reads the certificate of a ticket.
func (q *Queue) Certificate(ctx context.Context, a Attempt) ([]byte, error) {
	var t Ticket
	err := q.read(ctx, q.name(tickets, a), maxTicket, &t)
	return t.Certificate, err
}

// Ticket reads a ticket and its action; cache.ErrNotFound where there is no ticket.
func (q *Queue) Ticket(ctx context.Context, a Attempt) (t Ticket, action []byte, err error) {
	if err := q.read(ctx, q.name(tickets, a), maxTicket, &t); err != nil {
		return t, nil, err
	}
	name := "actions/" + t.Action.String()
	action, err = q.get(ctx, name, wire.MaxSize)
	if errors.Is(err, cache.ErrNotFound) {
		err = &RecordError{name, errors.New("it is not there")}
	}
	if err == nil && cache.DigestOf(action) != t.Action {
		err = &RecordError{name, errors.New("its bytes have another digest")}
	}
	return t, action, err
}

// ErrTaken says that another worker has claimed the attempt.
var ErrTaken = errors.New("another worker has claimed it")

// Claim claims an attempt.
func (q *Queue) Claim(ctx context.Context, a Attempt, c Claim) error {
	name := q.name(claims, a)
	b, err := q.seal(name, c)
	if err == nil {
		err = q.work.Create(ctx, name, b)
	}
	if errors.Is(err, s3.ErrExists) {
		return ErrTaken
	}
	return err
}

// Beat writes a claim again: its worker is alive.
func (q *Queue) Beat(ctx context.Context, a Attempt, c Claim) error {
	return q.put(ctx, q.name(claims, a), c)
}

// Claimed reads a claim. The error is a *RecordError for what no worker of this queue
// has written.
func (q *Queue) Claimed(ctx context.Context, a Attempt) (c Claim, err error) {
	err = q.record(ctx, q.name(claims, a), maxClaim, q.keys.Workers, &c)
	return c, err
}

// What an attempt prints is stored in numbered pieces as it comes: the first HeadLogs stay,
// and of those that follow the last TailLogs, each in the place of an older one. So a
// stage can print for weeks.
const (
	HeadLogs = 64
	TailLogs = 64
)

func (q *Queue) logName(a Attempt, number int) string {
	if number > HeadLogs {
		number = HeadLogs + 1 + (number-HeadLogs-1)%TailLogs
	}
	return q.name(logs, a) + fmt.Sprintf("/%06d", number)
}

// WriteLog stores a piece of what a stage prints; pieces are numbered from 1. One that
// takes another one's place says which it is.
func (q *Queue) WriteLog(ctx context.Context, a Attempt, number int, b []byte) error {
	if number > HeadLogs {
		b = append(fmt.Appendf(nil, "%d\n", number), b...)
	}
	return q.work.Put(ctx, q.logName(a, number), b)
}

// ReplacedError says that a later piece has taken the place of one.
type ReplacedError struct{ By int }

func (r *ReplacedError) Error() string {
	return fmt.Sprintf("piece %d of the log has taken its place", r.By)
}

// Next is the first piece that may still be there.
func (r *ReplacedError) Next() int { return r.By - TailLogs + 1 }

// ReadLog reads a piece; cache.ErrNotFound where there is none yet, a *ReplacedError where
// it is there no more.
func (q *Queue) ReadLog(ctx context.Context, a Attempt, number int) ([]byte, error) {
	const numberSize = 24
	name := q.logName(a, number)
	b, err := q.work.Get(ctx, name, MaxLog+numberSize)
	if err != nil || number <= HeadLogs {
		return b, err
	}
	text, rest, ok := bytes.Cut(b, []byte("\n"))
	there, err := strconv.Atoi(string(text))
	switch {
	case !ok || err != nil:
		return nil, fmt.Errorf("%s is damaged", name)
	case there > number:
		return nil, &ReplacedError{there}
	case there < number:
		return nil, cache.ErrNotFound
	}
	return rest, nil
}

func (q *Queue) wholeName(a Attempt, number int) string {
	return q.name(logs, a) + fmt.Sprintf("/whole-%d", number)
}

// WriteWhole stores a piece of what is kept of a log when the stage has ended; see
// Result.Whole.
func (q *Queue) WriteWhole(ctx context.Context, a Attempt, number int, b []byte) error {
	return q.work.Put(ctx, q.wholeName(a, number), b)
}

// ReadWhole reads such a piece.
func (q *Queue) ReadWhole(ctx context.Context, a Attempt, number int) ([]byte, error) {
	return q.work.Get(ctx, q.wholeName(a, number), MaxLog)
}

// Finish says what became of an attempt. Only the first result of an attempt counts; one
// that no worker of this queue has written is replaced.
func (q *Queue) Finish(ctx context.Context, a Attempt, r Result) error {
	name := q.name(results, a)
	b, err := q.seal(name, r)
	if err == nil {
		err = q.work.Create(ctx, name, b)
	}
	if !errors.Is(err, s3.ErrExists) {
		return err
	}
	_, err = q.Result(ctx, Object{Attempt: a, Size: MaxResult})
	if errors.As(err, new(*RecordError)) || errors.Is(err, cache.ErrNotFound) {
		return q.work.Put(ctx, name, b)
	}
	return err
}

// Result reads a result of the size that a listing shows. The error is a *RecordError
// for what no worker of this queue has written.
func (q *Queue) Result(ctx context.Context, o Object) (r Result, err error) {
	err = q.record(ctx, q.name(results, o.Attempt), min(o.Size, MaxResult), q.keys.Workers, &r)
	return r, err
}

// Cancel tells workers not to begin an attempt, or to stop it.
func (q *Queue) Cancel(ctx context.Context, a Attempt) error {
	return q.put(ctx, q.name(cancelled, a), struct{}{})
}

// IsCancelled reports whether the controller has cancelled an attempt.
func (q *Queue) IsCancelled(ctx context.Context, a Attempt) (bool, error) {
	err := q.record(ctx, q.name(cancelled, a), maxClaim, q.keys.Controller, &struct{}{})
	if errors.Is(err, cache.ErrNotFound) || errors.As(err, new(*RecordError)) {
		return false, nil
	}
	return err == nil, err
}

// CancelledAttempts lists the attempts that may have been cancelled: IsCancelled knows.
func (q *Queue) CancelledAttempts(ctx context.Context, after Attempt) ([]Object, error) {
	return q.list(ctx, cancelled, after)
}

// Forget deletes all that an attempt left in the queue, the ticket first: nobody is to
// begin what only seems not to be claimed. The number of pieces of its log is -1 where it
// is not known.
func (q *Queue) Forget(ctx context.Context, a Attempt, pieces int) error {
	if err := q.work.Delete(ctx, q.name(tickets, a)); err != nil {
		return err
	}
	names := []string{q.name(claims, a), q.name(results, a), q.name(cancelled, a)}
	for n := 1; n <= min(pieces, HeadLogs+TailLogs); n++ {
		names = append(names, q.logName(a, n))
	}
	const most = 3 // pieces of what is kept of a log
	for n := range most {
		names = append(names, q.wholeName(a, n+1))
	}
	if pieces < 0 {
		found, err := q.work.List(ctx, q.name(logs, a)+"/", "")
		if err != nil {
			return err
		}
		for _, f := range found {
			names = append(names, f.Name)
		}
	}
	return q.work.Delete(ctx, names...)
}

func (q *Queue) create(ctx context.Context, name string, doc any) error {
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return q.work.Create(ctx, name, b)
}

func (q *Queue) read(ctx context.Context, name string, most int64, doc any) error {
	b, err := q.get(ctx, name, most)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, doc); err != nil {
		return &RecordError{name, err}
	}
	return nil
}
