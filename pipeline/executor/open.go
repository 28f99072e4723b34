package executor

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/nbpipe/nbpipe/stages"
)

// Open hands the action's stage, and what it would see in a run, to f, for a look
// at it. Nothing is published, and the scratch folder goes when f returns.
func (l *Local) Open(ctx context.Context, a *Action, f func(stages.Stage, *stages.Input) error) error {
	stage, err := a.Ingredients.Kind.Fill(a.Ingredients.Attrs)
	if err != nil {
		return err
	}
	if err := l.takeSources(ctx, a); err != nil {
		return err
	}
	scratch := filepath.Join(l.Scratch, strconv.FormatInt(l.attempts.Add(1), 10))
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return err
	}
	defer removeAll(scratch)
	return f(stage, l.input(a, scratch, io.Discard, noProgress{}))
}

type noProgress struct{}

func (noProgress) Report(int64, int64, string) {}
