package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor"
)

// followLog shows what a node that runs on an executor prints, from the file in which the
// run keeps it, until the detached run has ended, or, where there is none, until ctx ends.
// The file begins anew where the node does.
func (a *app) followLog(ctx context.Context, d *detached, node string) error {
	folder, err := experimentFolder(d.experiment)
	if err != nil {
		return withCode(exitUsage, err)
	}
	path := filepath.Join(folder, outFolder, "logs", executor.FileName(node)+".log")
	if _, err := os.Stat(path); err != nil {
		a.note("%s prints nothing just now: what it prints is shown as it comes", node)
	}
	shown := &growing{path: path, out: a.stdout}
	defer func() { _ = shown.close() }()
	for {
		ended, err := d.goesOn()
		if err != nil {
			return err
		}
		if err := shown.show(); err != nil {
			return err
		}
		if ended {
			return nil
		}
		select {
		case <-ctx.Done():
			return silently(exitInterrupted)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func experimentFolder(experiment string) (string, error) {
	info, err := os.Stat(experiment)
	if err != nil {
		return "", fmt.Errorf("there is no experiment %s", experiment)
	}
	if !info.IsDir() {
		experiment = filepath.Dir(experiment)
	}
	return experiment, nil
}

// goesOn reports whether a detached run has ended; one that never was has not: a run in
// another terminal may go on.
func (d *detached) goesOn() (ended bool, err error) {
	if _, err := os.Stat(d.file("log")); err != nil {
		return false, nil
	}
	return d.ended()
}

// growing shows a file that grows, and may be exchanged for another one.
type growing struct {
	path string
	out  io.Writer
	f    *os.File
	at   int64
	line []byte // that has not ended yet
}

func (g *growing) show() error {
	now, err := os.Stat(g.path)
	if errors.Is(err, fs.ErrNotExist) {
		return g.close()
	}
	if err != nil {
		return err
	}
	if g.f != nil {
		if info, err := g.f.Stat(); err != nil || !os.SameFile(info, now) || now.Size() < g.at {
			if err := g.close(); err != nil {
				return err
			}
		}
	}
	if g.f == nil {
		if g.f, err = os.Open(g.path); errors.Is(err, fs.ErrNotExist) {
			g.f = nil
			return nil
		} else if err != nil {
			return err
		}
	}
	b, err := io.ReadAll(io.NewSectionReader(g.f, g.at, 1<<62))
	if err != nil {
		return err
	}
	g.at += int64(len(b))
	return g.print(b)
}

// print prints whole lines, with nothing in them that moves the cursor; the ends of a
// progress bar's are lines, too.
func (g *growing) print(b []byte) error {
	const longest = 64 << 10
	g.line = append(g.line, b...)
	for len(g.line) > 0 {
		end := bytes.IndexAny(g.line, "\r\n")
		if end < 0 && len(g.line) < longest {
			return nil
		}
		if end < 0 {
			end = longest - 1
		}
		if text := printable(string(g.line[:end])); text != "" || g.line[end] == '\n' {
			if _, err := fmt.Fprintln(g.out, text); err != nil {
				return err
			}
		}
		g.line = g.line[end+1:]
	}
	return nil
}

// close shows what is left of a file, and goes to the beginning of the next one.
func (g *growing) close() error {
	if g.f == nil {
		return nil
	}
	b, err := io.ReadAll(io.NewSectionReader(g.f, g.at, 1<<62))
	if err == nil {
		err = g.print(b)
	}
	if err == nil && len(g.line) > 0 {
		err = g.print([]byte("\n"))
	}
	_ = g.f.Close()
	g.f, g.at, g.line = nil, 0, nil
	return err
}
