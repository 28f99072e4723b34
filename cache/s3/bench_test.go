package s3

import (
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache/s3test"
)

// BenchmarkSmall publishes 2,000 results of 4 KiB to a server that is 20 ms away,
// publishes them again, and pulls them on another machine.
func BenchmarkSmall(b *testing.B) {
	server := s3test.MinIO(b)
	proxy := s3test.NewProxy(b, server)
	proxy.Latency(20 * time.Millisecond)
	from := openLocal(b)
	items := artifacts(b, from, 2000, 4096, 1)
	var push, noop, pull time.Duration
	for b.Loop() {
		c := config(b, proxy.Direct())
		c.Endpoint, c.Dir = proxy.Endpoint, b.TempDir()
		s, to := initTest(b, c), openLocal(b)
		if _, err := s.Probe(b.Context(), false); err != nil { // once for a store and machine
			b.Fatal(err)
		}
		started := time.Now()
		if got, err := s.Push(b.Context(), from, items, nil); err != nil || got.Published != len(items) {
			b.Fatal(got, err)
		}
		push += time.Since(started)
		started = time.Now()
		if got, err := s.Push(b.Context(), from, items, nil); err != nil || got.Present != len(items) {
			b.Fatal(got, err)
		}
		noop += time.Since(started)
		c.Dir = b.TempDir()
		other := initTest(b, c)
		started = time.Now()
		if got, err := other.PullEntries(b.Context(), to, keysOf(items)); err != nil || got.Entries != len(items) {
			b.Fatal(got, err)
		}
		if err := other.FetchAll(b.Context(), to, needsOf(items), nil); err != nil {
			b.Fatal(err)
		}
		if err := to.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
		pull += time.Since(started)
	}
	n := float64(b.N)
	b.ReportMetric(push.Seconds()/n, "s/push")
	b.ReportMetric(noop.Seconds()/n, "s/no-op-push")
	b.ReportMetric(pull.Seconds()/n, "s/pull")
}
