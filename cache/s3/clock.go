package s3

import (
	"net/http"
	"sync/atomic"
	"time"
)

// serverClock knows the server's time by the Date of its answers. Ages of objects
// are counted by it alone: the clocks of a team's machines differ (invariant I14).
type serverClock struct {
	skew  atomic.Int64 // the server's time minus this machine's, in nanoseconds
	known atomic.Bool
}

// set takes in the Date of an answer that came at now. The header has whole
// seconds: the middle of the second errs least.
func (c *serverClock) set(date string, now time.Time) {
	if t, err := http.ParseTime(date); err == nil {
		c.skew.Store(int64(t.Add(500 * time.Millisecond).Sub(now)))
		c.known.Store(true)
	}
}

// serverNow is the server's present time, to about a second; this machine's
// where no answer has told it.
func (c *client) serverNow() time.Time {
	return c.Now().Add(time.Duration(c.clock.skew.Load()))
}

// serverSkew is the server's clock minus this machine's; ok is false where the
// server does not tell its time.
func (c *client) serverSkew() (skew time.Duration, ok bool) {
	return time.Duration(c.clock.skew.Load()), c.clock.known.Load()
}

// since is how long ago t was, by whichever of this machine's clocks says more:
// one stands still while the machine sleeps, the other can be set.
func since(t time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

// observe takes in the time that a file server gave to what was written at now.
func (c *serverClock) observe(given, now time.Time) {
	c.skew.Store(int64(given.Sub(now)))
	c.known.Store(true)
}
