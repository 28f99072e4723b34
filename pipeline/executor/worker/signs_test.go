package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/stages"
)

// What a stage prints comes in numbered pieces, none longer than readers take, and
// whole: in whatever portions it was printed.
func TestLogPieces(t *testing.T) {
	r := newRig(t)
	line := bytes.Repeat([]byte("0123456789abcdef"), 128<<10) // 2 MiB without an end of line
	var printed []byte
	var name queue.Attempt
	r.config.Executor = stage(func(_ context.Context, a *executor.Action, _ stages.Progress) error {
		for n := range 5 {
			part := append(fmt.Appendf(nil, "%d\n", n), line[:(n+1)*queue.MaxLog/3]...)
			printed = append(printed, part...)
			if _, err := a.Log.Write(part); err != nil {
				return err
			}
			time.Sleep(30 * time.Millisecond)
		}
		r.until("it is passed on", func() bool { text, _ := r.log(name); return len(text) == len(printed) })
		return &executor.Failure{Err: context.Canceled, LogTail: "tail"}
	})
	name = r.ask(executortest.Script(t, "", nil), nil)
	r.drain()
	text, pieces := r.log(name)
	got := r.result(name)
	if !bytes.Equal(text, printed) || pieces != got.Logs || pieces < len(printed)/queue.MaxLog || got.LogTail != "tail" {
		t.Errorf("%d bytes of %d in %d pieces, the result says %d; tail %q", len(text), len(printed), pieces, got.Logs, got.LogTail)
	}
}

// A stage that prints without end neither fills the store nor the worker's memory; its
// beginning and its end are kept.
func TestLogWithoutEnd(t *testing.T) {
	r := newRig(t)
	r.config.Beat = time.Minute // the time that the end of a log has
	part := bytes.Repeat([]byte("x"), 3<<20)
	r.config.Executor = stage(func(_ context.Context, a *executor.Action, _ stages.Progress) error {
		fmt.Fprintln(a.Log, "first")
		for range 60 {
			if n, err := a.Log.Write(part); err != nil || n != len(part) {
				return fmt.Errorf("the stage's output is refused: %d, %w", n, err)
			}
		}
		fmt.Fprintln(a.Log, "last")
		return &executor.Failure{Err: fmt.Errorf("the end")}
	})
	name := r.ask(executortest.Script(t, "", nil), nil)
	r.drain()
	got := r.result(name)
	if text, pieces := r.log(name); got.Logs != pieces || got.Error != "the end" || len(text) > 64<<20 || !bytes.HasSuffix(text, []byte("xlast\n")) {
		t.Errorf("%d bytes in %d pieces, and the result says %+v", len(text), pieces, got)
	}
	var whole []byte
	for n := range got.Whole {
		b, err := r.queue.ReadWhole(t.Context(), name, n+1)
		r.must(err)
		whole = append(whole, b...)
	}
	if len(whole) > 3<<20 || !bytes.HasPrefix(whole, []byte("first\nx")) || !bytes.HasSuffix(whole, []byte("xlast\n")) || !bytes.Contains(whole, []byte(" bytes of output left out ...\n")) {
		t.Errorf("%d bytes are kept in %d pieces: %.20q ... %.20q", len(whole), got.Whole, whole, whole[max(0, len(whole)-20):])
	}
}

// A stage that prints for days goes on showing what it prints, in a bounded number of
// pieces: its last lines are there if the worker is killed.
func TestLogForDays(t *testing.T) {
	r := newRig(t)
	r.config.Beat = 20 * time.Millisecond
	const lines = 300
	var name queue.Attempt
	ctx := t.Context()
	r.config.Executor = stage(func(_ context.Context, a *executor.Action, _ stages.Progress) error {
		last := 0
		for n := range lines {
			fmt.Fprintf(a.Log, "epoch %d\n", n)
			r.until("it is there", func() bool {
				for b, err := r.queue.ReadLog(ctx, name, last+1); err == nil; b, err = r.queue.ReadLog(ctx, name, last+1) {
					last++
					if bytes.HasSuffix(b, fmt.Appendf(nil, "epoch %d\n", n)) {
						return true
					}
				}
				return false
			})
		}
		return &executor.Failure{Err: fmt.Errorf("the end")}
	})
	name = r.ask(executortest.Script(t, "", nil), nil)
	r.drain()
	got := r.result(name)
	if got.Logs <= queue.HeadLogs+queue.TailLogs || got.Whole != 1 {
		t.Errorf("%d pieces, and %d of the whole", got.Logs, got.Whole)
	}
	var replaced *queue.ReplacedError
	if _, err := r.queue.ReadLog(ctx, name, queue.HeadLogs+1); !errors.As(err, &replaced) || replaced.Next() > got.Logs || replaced.Next() <= queue.HeadLogs+1 {
		t.Errorf("a piece whose place was taken: %v", err)
	}
	objects, err := filepath.Glob(filepath.Join(r.dir, "store", "attempts", "q", "logs", "*", "*"))
	if err != nil || len(objects) > queue.HeadLogs+queue.TailLogs+1 || len(objects) < queue.HeadLogs+queue.TailLogs {
		t.Errorf("%d objects, %v", len(objects), err)
	}
}

// A worker gives signs of life also while a long log goes slowly to the store.
func TestSignsOfLifeBesideALongLog(t *testing.T) {
	t.Parallel()
	server := s3test.NewProxy(t, s3test.Fake(t))
	dir := t.TempDir()
	r := newRigAt(t, dir, s3.Config{
		Endpoint: server.Endpoint, Insecure: true, Region: server.Region, Bucket: server.Bucket(t), Style: "path", Dir: filepath.Join(dir, "remote"), Temp: t.TempDir(),
		Credentials: credentials.NewStaticV4(server.AccessKey, server.SecretKey, ""),
	})
	var name queue.Attempt
	r.config.Executor = stage(func(ctx context.Context, a *executor.Action, _ stages.Progress) error {
		server.Latency(300 * time.Millisecond)
		defer server.Latency(0)
		const pieces = 40
		if _, err := a.Log.Write(make([]byte, pieces*queue.MaxLog)); err != nil {
			return err
		}
		r.until("three signs of life", func() bool { c, err := r.queue.Claimed(ctx, name); return err == nil && c.Beat >= 3 })
		if c, err := r.queue.Claimed(ctx, name); err != nil || c.Logs == 0 || c.Logs >= pieces {
			t.Errorf("with the third sign of life, %d of %d pieces are there, %v: they go one beside the other", c.Logs, pieces, err)
		}
		return &executor.Failure{Err: fmt.Errorf("the end")}
	})
	name = r.ask(executortest.Script(t, "", nil), nil)
	r.drain()
	if got := r.result(name); got.Error != "the end" {
		t.Errorf("%+v", got)
	}
}

// A claim says how far the stage is, and a cancelled attempt is stopped.
func TestProgressAndCancel(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var name queue.Attempt
	r.config.Executor = stage(func(ctx context.Context, _ *executor.Action, p stages.Progress) error {
		p.Report(3, 7, "epochs")
		r.until("it is told", func() bool {
			c, err := r.queue.Claimed(context.WithoutCancel(ctx), name)
			return err == nil && c.Done == 3 && c.Total == 7 && c.Unit == "epochs" && c.Worker == "w"
		})
		r.must(r.as(r.user.Private).Cancel(context.WithoutCancel(ctx), name))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Minute):
			return fmt.Errorf("it was not stopped")
		}
	})
	name = r.ask(executortest.Script(t, "", nil), nil)
	r.drain()
	if got := r.result(name); got.State != queue.Cancelled {
		t.Errorf("%+v", got)
	}
}
