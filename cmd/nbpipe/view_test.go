package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/run"
)

// A node whose input was lost stops and starts again: the live view must not
// show it twice, nor after its end.
func TestViewAfterALostInput(t *testing.T) {
	var out bytes.Buffer
	v := &view{app: &app{stderr: &out, stdout: &out}, running: map[string]*activity{}, term: terminal{tty: true}, started: time.Now().Add(-time.Hour)}
	for _, e := range []run.Event{
		{Type: run.EventStarted, Node: "b"}, {Type: run.EventWaiting, Node: "b", Message: "input is lost"}, {Type: run.EventLost, Node: "a", Cause: "b"},
		{Type: run.EventStarted, Node: "a"}, {Type: run.EventFinished, Node: "a"},
		{Type: run.EventStarted, Node: "b"}, {Type: run.EventFinished, Node: "b"},
	} {
		v.event(e)
		v.redraw()
	}
	if len(v.order) != 0 || len(v.running) != 0 {
		t.Errorf("still running: %v", v.order)
	}
	if !strings.Contains(out.String(), "wait  b: input is lost") {
		t.Errorf("%s", out.String())
	}
}

// A long text is shown once, whoever else has it; short ones are always there.
func TestRepeats(t *testing.T) {
	r := repeats{}
	long := strings.Repeat("why ", 100)
	for _, c := range []struct{ node, text, want string }{
		{"a", long, long}, {"b", long, "the same as a"}, {"c", "short", "short"}, {"d", "short", "short"}, {"e", long + "x", long + "x"}, {"f", long, "the same as a"},
	} {
		if got := r.text(c.node, c.text); got != c.want {
			t.Errorf("%s: %q", c.node, got)
		}
	}
}
