package lease

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/gpu"
)

// Lease is a GPU that no other process of the user takes before Release is called.
type Lease struct {
	gpu.Device
	Release func() // once
}

// Taker gives out leases. It is safe for concurrent use.
type Taker interface {
	// Take leases n of the devices, the first that are free, or none. The error is a
	// *Busy where too few are free.
	Take(n int, among []gpu.Device) ([]Lease, error)
}

// Busy says that other processes have the GPUs.
type Busy struct {
	PIDs []int // of those processes, as far as they are known; sorted
	Next bool  // one that waits is let go first
}

func (b *Busy) Error() string {
	var numbers []string
	for _, p := range b.PIDs {
		numbers = append(numbers, strconv.Itoa(p))
	}
	switch len(numbers) {
	case 0:
		if b.Next {
			return "it lets another nbpipe of yours, which waits for a GPU, go first"
		}
		return "it waits for a GPU that another nbpipe of yours uses"
	case 1:
		return fmt.Sprintf("it waits for a GPU that another nbpipe of yours uses (process %s)", numbers[0])
	default:
		return fmt.Sprintf("it waits for GPUs that other nbpipes of yours use (processes %s)", strings.Join(numbers, ", "))
	}
}

func (b *Busy) add(pid int) {
	if i, known := slices.BinarySearch(b.PIDs, pid); pid > 0 && !known {
		b.PIDs = slices.Insert(b.PIDs, i, pid)
	}
}

// Pause is how long to wait before another try: about a second, and not the same for
// all that wait.
func Pause() time.Duration {
	const least, spread = 750 * time.Millisecond, 500 * time.Millisecond
	return least + rand.N(spread)
}

// Await tries until something else than a *Busy comes of it, or until ctx ends. Note is
// told why it waits, once for each reason.
func Await(ctx context.Context, note func(string), try func() error) error {
	said := ""
	for {
		err := try()
		var busy *Busy
		if !errors.As(err, &busy) {
			return err
		}
		if text := busy.Error(); text != said {
			note(text)
			said = text
		}
		timer := time.NewTimer(Pause())
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// Devices are the GPUs of leases.
func Devices(leases []Lease) []gpu.Device {
	var out []gpu.Device
	for _, l := range leases {
		out = append(out, l.Device)
	}
	return out
}
