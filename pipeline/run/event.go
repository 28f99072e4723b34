package run

import "time"

// EventType says what an event is about.
type EventType string

// The events of a run, in the order in which a node can see them.
const (
	EventPlanned  EventType = "planned"  // the run begins; Total nodes, Cached of them have a result
	EventQueued   EventType = "queued"   // a node waits for a worker on another machine, or for a GPU that another process has
	EventPending  EventType = "pending"  // why it still does
	EventStarted  EventType = "started"  // a node runs; on another machine, again once it is known on which
	EventLog      EventType = "log"      // what a node on another machine prints
	EventProgress EventType = "progress" // of a running node
	EventCached   EventType = "cached"   // a node needed no run after all
	EventFinished EventType = "finished" // a node ran and its result is published
	EventFailed   EventType = "failed"   // a root cause
	EventStopped  EventType = "stopped"  // a node that the user stopped
	EventSkipped  EventType = "skipped"  // a victim of Cause
	EventLost     EventType = "lost"     // a result was lost and is made again
	EventWaiting  EventType = "waiting"  // a node that ran has stopped, and starts again once an input that was lost is there
	EventWarning  EventType = "warning"
	EventLocked   EventType = "locked"   // a digest was recorded in the lock file
	EventTransfer EventType = "transfer" // content on its way from or to the team
	EventTeam     EventType = "team"     // what the team cache gave and got, or why not
	EventReport   EventType = "report"   // a report was written to Path
)

// Event tells what happens while an experiment runs. Unused fields are zero.
type Event struct {
	Time    time.Time `json:"time"`
	Type    EventType `json:"event"`
	Node    string    `json:"node,omitempty"`
	Message string    `json:"message,omitempty"`
	Why     []string  `json:"why,omitempty"`
	Key     string    `json:"key,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
	Done    int64     `json:"done,omitempty"`
	Total   int64     `json:"total,omitempty"`
	Cached  int64     `json:"cached,omitempty"`
	Unit    string    `json:"unit,omitempty"`
	Cause   string    `json:"cause,omitempty"`
	LogTail string    `json:"log_tail,omitempty"`
	LogPath string    `json:"log,omitempty"`
	Path    string    `json:"path,omitempty"`
	Where   string    `json:"where,omitempty"` // host
}
