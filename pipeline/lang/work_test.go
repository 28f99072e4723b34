package lang_test

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"syscall"
	"testing"
	"time"
)

// work is what something takes of the machine. It does not grow when others keep the
// machine busy, as the time on the wall does: allocations are the same in each run, and
// a thread's time is that in which it ran.
type work struct {
	bytes, objects uint64        // allocated
	thread         time.Duration // of the processor, without the garbage collector's; 0 where the system does not tell
}

// mostWork is what no file may exceed, whatever is in it. The worst that is known take
// 2.8 GB in 98 million objects and 4 s.
var mostWork = work{bytes: 4 << 30, objects: 150_000_000, thread: 15 * time.Second * slowdown}

// stillness is how long something may take on the wall that does not work, but waits,
// say for a pipe.
const stillness = 5 * time.Minute

// within fails a test that takes more than the limit. One that does not come to an end
// is given up once the process has done many times as much, and context is cancelled
// when it is over the limit.
func within(t *testing.T, limit work, f func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan work, 1)
	go func() {
		runtime.LockOSThread() // its time is counted
		defer runtime.UnlockOSThread()
		before := soFar()
		defer func() { done <- soFar().since(before) }()
		f(ctx)
	}()
	before, begun, start := soFar(), processTime(), time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case took := <-done:
			if over := took.over(limit); over != "" {
				t.Errorf("it took %s", over)
			}
			return
		case <-tick.C:
		}
		took, process := soFar().since(before), processTime()-begun
		took.thread = 0 // of this one
		if took.over(limit) != "" || process > 2*limit.thread {
			cancel()
		}
		switch {
		case took.over(limit.times(4)) != "":
			t.Fatalf("it goes on after it took %s", took.over(limit))
		case process > 10*limit.thread:
			t.Fatalf("it goes on after %v of the processor", process)
		case time.Since(start) > stillness:
			t.Fatalf("it waits: nothing came of it in %v, %v of the processor", stillness, process)
		}
	}
}

// soFar is what the process has allocated, and the time of the calling thread.
func soFar() work {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/allocs:objects"}}
	metrics.Read(samples)
	return work{samples[0].Value.Uint64(), samples[1].Value.Uint64(), threadTime()}
}

func (w work) since(before work) work {
	return work{w.bytes - before.bytes, w.objects - before.objects, w.thread - before.thread}
}

func (w work) times(n uint64) work {
	return work{n * w.bytes, n * w.objects, time.Duration(n) * w.thread}
}

// over says by what a limit is exceeded, or nothing.
func (w work) over(limit work) string {
	switch {
	case w.bytes > limit.bytes:
		return fmt.Sprintf("%d MiB of %d", w.bytes>>20, limit.bytes>>20)
	case w.objects > limit.objects:
		return fmt.Sprintf("%d objects of %d", w.objects, limit.objects)
	case w.thread > limit.thread:
		return fmt.Sprintf("%v of the processor, of %v", w.thread, limit.thread)
	}
	return ""
}

// processTime is the processor's time of all threads, the garbage collector's included.
func processTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// Work that is over the limit fails, whichever it is.
func TestWorkIsLimited(t *testing.T) {
	limit := work{bytes: 10, objects: 10, thread: 10}
	for want, w := range map[string]work{
		"": {10, 10, 10}, "0 MiB of 0": {11, 0, 0}, "11 objects of 10": {0, 11, 0}, "11ns of the processor, of 10ns": {0, 0, 11},
	} {
		if got := w.over(limit); got != want {
			t.Errorf("%+v: %q, want %q", w, got, want)
		}
	}
	var sink []byte
	before := soFar()
	for range 100 {
		sink = append(sink, make([]byte, 1<<20)...)
	}
	if w := soFar().since(before); w.bytes < 100<<20 || w.objects < 1 {
		t.Errorf("%d bytes took %+v", len(sink), w)
	}
}
