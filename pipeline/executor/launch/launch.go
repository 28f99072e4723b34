package launch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nbpipe/nbpipe/stages"
)

// Launcher starts workers. Implementations are safe for concurrent use, and put a
// time-out on every call to something that may hang.
//
// The identity of a worker is the ID that Start was given, never what the machine
// calls it: numbers of jobs and processes are used again.
type Launcher interface {
	// Slots is how many workers may be there at a time, those that wait included.
	Slots() int
	// Check says what cannot work, before anything is queued: a program that is not
	// there, a partition that does not exist, more GPUs than any machine has. needs
	// are the different requests of the actions that are known so far.
	Check(ctx context.Context, needs []stages.Resources) error
	// Start asks for workers, and returns when they are asked for: they may begin
	// much later. An error means that none of them will begin; it is a *NoMachine where
	// Avoid leaves no machine. Check was asked about the same resources before.
	Start(ctx context.Context, workers []Worker) error
	// Poll tells about all workers of the site that have not ended, whoever started
	// them: a controller that died is followed by another one. One that has ended
	// may be told about, or left out. An error says that nothing is known just now.
	Poll(ctx context.Context) ([]Status, error)
	// Cancel ends workers; one that has ended already is no error.
	Cancel(ctx context.Context, ids []string) error
	// Close lets go of what the launcher holds. Workers go on.
	Close() error
}

// Giver is implemented by a Launcher whose workers have more than an action asks for:
// what its block says for actions that say nothing.
type Giver interface {
	// Given are the resources of an action with those that it has as well.
	Given(need stages.Resources) stages.Resources
}

// OneSlot is what a launcher without a scheduler says where a stage asks for a machine of
// its own, and workers share one: nil if none does.
func OneSlot(name string, slots int, needs []stages.Resources) error {
	if slots > 1 && slices.ContainsFunc(needs, func(n stages.Resources) bool { return n.Exclusive }) {
		return fmt.Errorf("executor %q: a stage asks for a machine of its own (exclusive), and %d workers share one here: say slots = 1 in the executor's block, or in another block for such stages", name, slots)
	}
	return nil
}

// Worker is one worker to start.
type Worker struct {
	ID string // letters, digits, '.' and '-'; unique for all time
	// Args are the arguments of the nbpipe program, its name left out. They name
	// Files by their paths.
	Args []string
	// Files are what the worker reads before it can reach the store, at the same
	// paths on its machine. They hold secrets: mode 0600, in a folder of mode 0700.
	Files []string
	// Resources are what an action of the worker's queue asks for, as stated: 0 takes
	// what the block says.
	Resources stages.Resources
	// Exclusive workers run one action.
	Exclusive bool
	// Avoid are hosts, as Status and HostVariable name them, that the worker must not
	// run on.
	Avoid []string
}

// NoMachine says that a worker could run on no machine but those that it must avoid.
type NoMachine struct{ Detail string }

func (n *NoMachine) Error() string { return n.Detail }

// HostVariable is the environment variable in which launchers tell a worker what they
// call its machine.
const HostVariable = "NBPIPE_WORKER_HOST"

// State is where a worker stands.
type State string

// The states of workers.
const (
	Pending State = "pending"
	Running State = "running"
	Ended   State = "ended"
)

// Status tells about a worker.
type Status struct {
	ID     string
	State  State
	Reason string // why it waits, or how it ended, in the words of what runs it
	Host   string // where it runs
}

// Site is what a launcher is made for: one executor block of one experiment.
type Site struct {
	// ID is the same for each run of the experiment on this machine: it finds the
	// workers that an earlier controller started. 16 hexadecimal digits.
	ID string
	// Name is the block's, for messages.
	Name string
	// Program is the path of the nbpipe program.
	Program string
	// Dir is a folder of the site, mode 0700, that outlives the controller.
	Dir string
	// Environment is nbpipe's own, without secrets, as os.Environ gives it.
	Environment []string
	Now         func() time.Time
	// Tell says what a user should know; may be nil.
	Tell func(message string)
}
