package main

import (
	"bytes"
	"slices"
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

func testView(out *bytes.Buffer, t terminal) *view {
	return &view{app: &app{stderr: out, stdout: out}, running: map[string]*activity{}, term: t, started: time.Now().Add(-time.Hour)}
}

// No line of the live part is wider than the screen: one that wraps cannot be erased.
func TestViewWidth(t *testing.T) {
	why := "waiting for a worker: it is next, and waits until enough cores, memory or GPUs are free (Resources)"
	for _, width := range []int{20, 80, 120} {
		v := testView(new(bytes.Buffer), terminal{tty: true, width: width})
		events := []run.Event{
			{Type: run.EventPlanned, Total: 15},
			{Type: run.EventStarted, Node: `command.train["1"]`}, {Type: run.EventStarted, Node: `command.train["1"]`, Where: "node17"},
			{Type: run.EventLog, Node: `command.train["1"]`, Message: "epoch 1\nepoch 2, and a loss with many digits\n"},
			{Type: run.EventTransfer, Message: "fetching from the team cache", Done: 1 << 20, Total: 1 << 30, Unit: "bytes"},
		}
		for _, n := range []string{"2", "3", "4"} {
			events = append(events, run.Event{Type: run.EventQueued, Node: `command.train["` + n + `"]`}, run.Event{Type: run.EventPending, Node: `command.train["` + n + `"]`, Message: why})
		}
		for _, e := range events {
			v.event(e)
		}
		lines := v.live()
		for _, l := range lines {
			if n := len([]rune(l)); n > width-1 && n > 20 {
				t.Errorf("%d columns of %d: %s", n, width, l)
			}
		}
		all := strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
		if width >= 80 && (!strings.Contains(all, `command.train["1"] on node17`) || !strings.Contains(all, "| epoch 2") || !strings.Contains(all, `command.train["2"], command.train["3"] and 1 more: `+why)) {
			t.Errorf("width %d: %s", width, all)
		}
	}
}

// What many nodes wait for, or failed of, is told once.
func TestViewTellsOnce(t *testing.T) {
	var out bytes.Buffer
	v := testView(&out, terminal{})
	for _, n := range []string{"a", "b", "c"} {
		v.event(run.Event{Type: run.EventPending, Node: n, Message: "the queue is long"})
	}
	for _, n := range []string{"a", "b", "c"} {
		v.event(run.Event{Type: run.EventFailed, Node: n, Message: "no such partition"})
	}
	v.redraw()
	v.event(run.Event{Type: run.EventFailed, Node: "d", Message: "no such partition"})
	v.event(run.Event{Type: run.EventFailed, Node: "e", Message: "exit code 1", LogTail: "of e"})
	v.event(run.Event{Type: run.EventFailed, Node: "f", Message: "exit code 1", LogTail: "of f"})
	v.redraw()
	var got []string
	for l := range strings.Lines(out.String()) {
		if !strings.HasPrefix(l, "      ") && !strings.Contains(l, "nodes done") {
			got = append(got, strings.TrimSpace(l))
		}
	}
	want := []string{"wait  a, b and 1 more: the queue is long", "fail  a, b and 1 more: no such partition", "fail  e: exit code 1", "fail  f: exit code 1"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestSlurmJob(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		want [2]string
	}{
		{"a job", map[string]string{"SLURM_JOB_ID": "17"}, [2]string{"slurm 17", ""}},
		{"a task of an array", map[string]string{
			"SLURM_JOB_ID": "19", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "2", "SLURM_JOB_PARTITION": "gpu", "SLURM_JOB_ACCOUNT": "lab42",
			"SLURM_CPUS_PER_TASK": "4", "SLURM_MEM_PER_NODE": "16384", "SLURM_GPUS_ON_NODE": "1",
		}, [2]string{"slurm 17_2", "partition gpu, account lab42, 4 cores, 16.0 GiB of memory, 1 GPU"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			job, has := slurmJob(func(name string) string { return c.env[name] })
			if got := [2]string{job, has}; got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
}
