package remote

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
)

// What stages print comes in pieces while they run, and is written to files in LogDir as
// it comes: NODE.log. Such a file stays where the node fails; where a worker was lost, what
// was seen of it is called NODE.lost.log.

// maxLogFile is how large a file gets that is written while a stage runs. It begins anew
// then: what is printed last is what is looked for.
const maxLogFile = 64 << 20

// readLog passes on pieces of a log. One that cannot be had is tried again.
func (l *loop) readLog(ctx context.Context, n *line, a *attempt, upTo int) {
	w, watched := a.job.progress.(executor.Watcher)
	for a.pieces < upTo {
		b, err := n.queue.ReadLog(ctx, a.name, a.pieces+1)
		var replaced *queue.ReplacedError
		if errors.As(err, &replaced) {
			a.pieces = max(a.pieces, replaced.Next()-1)
			b, err = []byte("\n... some output left out ...\n"), nil
		} else if err == nil {
			a.pieces++
		}
		if err != nil {
			return
		}
		l.writeLog(a, b)
		if watched {
			w.Logged(b)
		}
	}
}

func (l *loop) logPath(a *executor.Action, suffix string) string {
	return filepath.Join(l.LogDir, executor.FileName(a.Address)+suffix)
}

// writeLog adds to the file of a stage that runs. It is a convenience: whatever is wrong
// with it, the run goes on.
func (l *loop) writeLog(a *attempt, b []byte) {
	if l.LogDir == "" || a.over {
		return
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if a.written == 0 || a.written+len(b) > maxLogFile {
		flags |= os.O_TRUNC
		a.written = 0
	}
	if os.MkdirAll(l.LogDir, 0o755) != nil {
		return
	}
	f, err := os.OpenFile(l.logPath(a.job.a, ".log"), flags, 0o644)
	if err != nil {
		return
	}
	n, _ := f.Write(b)
	a.written += n
	_ = f.Close()
}

// dropLog removes the file of a stage that has ended well: the store has its log.
func (l *loop) dropLog(a *executor.Action) {
	if l.LogDir != "" {
		_ = os.Remove(l.logPath(a, ".log"))
	}
}

// lastWords reads what a worker that is given up has printed and was not read yet, and
// keeps all of it in a file of which it returns the path; "" for nothing.
func (l *loop) lastWords(n *line, a *attempt) string {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	l.readLog(ctx, n, a, math.MaxInt)
	if a.written == 0 {
		return ""
	}
	kept := l.logPath(a.job.a, ".lost.log")
	if os.Rename(l.logPath(a.job.a, ".log"), kept) != nil {
		return ""
	}
	a.written = 0
	return kept
}

// keepLog writes what is kept of the log of a failed stage into a file; "" where there is
// none.
func (l *loop) keepLog(ctx context.Context, n *line, a *attempt, r queue.Result) string {
	l.readLog(ctx, n, a, r.Logs)
	if r.Logs+r.Whole == 0 || l.LogDir == "" || os.MkdirAll(l.LogDir, 0o755) != nil {
		return ""
	}
	pieces, read := r.Logs, n.queue.ReadLog
	if r.Whole > 0 {
		pieces, read = r.Whole, n.queue.ReadWhole
	}
	path := l.logPath(a.job.a, ".log")
	f, err := os.Create(path)
	if err != nil {
		return ""
	}
	const most = queue.HeadLogs + queue.TailLogs
	for i := 1; i <= min(pieces, most) && err == nil; i++ {
		var b []byte
		if b, err = read(ctx, a.name, i); err == nil {
			_, err = f.Write(b)
		}
	}
	if errors.Join(err, f.Close()) != nil {
		return ""
	}
	return path
}
