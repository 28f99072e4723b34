package s3

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache/s3test"
)

// TestI18_Probe: what each server does right is found out, and remembered.
func TestI18_Probe(t *testing.T) {
	want := map[string]Capabilities{
		"minio":     {true, true, true, true, true, true, true, 0, time.Time{}},
		"versitygw": {true, true, true, true, true, true, true, 0, time.Time{}},
		// In process: it takes every header on an upload's completion for granted.
		"fake": {ConditionalCreate: true, ConditionalReplace: true, ReadAfterWrite: true, ListAfterWrite: true, RangeGet: true, Refresh: true},
	}
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			c := config(t, start(t))
			s := initTest(t, c)
			got, err := s.Probe(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", got)
			if got.Skew.Abs() > 10*time.Second || got.Probed.IsZero() {
				t.Errorf("%+v", got)
			}
			got.Skew, got.Probed = 0, time.Time{}
			if got != want[name] {
				t.Errorf("got  %+v\nwant %+v", got, want[name])
			}
			if err := got.Unusable(); err != nil {
				t.Error(err)
			}
			if left, err := s.list(t.Context(), "probe/"); err != nil || len(left) > 0 {
				t.Errorf("%d objects are left, %v", len(left), err)
			}
			requests := s.Traffic().Requests
			if _, err := s.Probe(t.Context(), false); err != nil || s.Traffic().Requests != requests {
				t.Errorf("it was not remembered: %v", err)
			}
		})
	}
}

// ignoring is a server that ignores some headers.
type ignoring struct{ headers []string }

func (i ignoring) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for _, h := range i.headers {
		r.Header.Del(h)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestI18_BadServer: a server that does too little is refused, with text; one
// that overwrites in silence works in a safe mode, which is told.
func TestI18_BadServer(t *testing.T) {
	server := s3test.Fake(t)
	from := openLocal(t)
	items := artifacts(t, from, 1, 100, 1)
	c := config(t, server)
	c.Transport = ignoring{[]string{"Range"}}
	if _, err := initTest(t, c).Push(t.Context(), from, items, nil); err == nil || !strings.Contains(err.Error(), "Range is not honoured") {
		t.Errorf("a push to a server without ranges: %v", err)
	}
	c = config(t, server)
	c.Transport = ignoring{[]string{"If-None-Match", "If-Match"}}
	s := initTest(t, c)
	can, err := s.Probe(t.Context(), false)
	if err != nil || can.Unusable() != nil || can.ConditionalCreate || can.ConditionalReplace || len(can.Notes()) != 2 {
		t.Errorf("%+v, %v, %q", can, err, can.Notes())
	}
	got, err := s.Push(t.Context(), from, items, nil)
	wantPushed(t, got, err, 1, 0, 0)
	if notes := (Capabilities{ConditionalCreate: true, ConditionalMultipart: true, Refresh: true, Skew: -time.Hour}).Notes(); len(notes) != 1 {
		t.Errorf("notes of a wrong clock: %q", notes)
	}
}

// TestI18_ProbeThroughRepetition: a request that arrives twice, where the second finds
// nothing left to do, says nothing against the server.
func TestI18_ProbeThroughRepetition(t *testing.T) {
	proxy := s3test.NewProxy(t, s3test.Fake(t))
	c := config(t, proxy.Direct())
	c.Endpoint = proxy.Endpoint
	s := initTest(t, c)
	proxy.Set(s3test.Faults{Script: func(r s3test.Request) s3test.Kind {
		if r.Method == http.MethodPost && strings.Contains(r.String(), "uploadId") {
			return s3test.Duplicate
		}
		return s3test.None
	}})
	can, err := s.Probe(t.Context(), true)
	if err != nil || can.Unusable() != nil || can.ConditionalMultipart || len(proxy.Met()) < 2 {
		t.Errorf("%+v, %v, after %v", can, err, proxy.Met())
	}
}
