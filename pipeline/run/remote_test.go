package run

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/stages"
)

// fetched is a kind for tests whose key is not known before it has run: it pins what
// it found.
type fetched struct {
	URL  string `attr:"url"`
	Pins string `attr:"pins,key,optional"`
}

func (*fetched) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{"url": cty.String}
}

func (f *fetched) LockSource() (source, attribute string, unpinned bool) {
	return f.URL, "pins", f.Pins == ""
}

func (f *fetched) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	b := ctx.Value(benchKey{}).(*bench)
	b.begin(in)
	defer b.end(in)
	time.Sleep(2 * time.Millisecond)
	out.Set("url", cty.StringVal(f.URL))
	out.Pins["pins"] = "what " + f.URL + " had"
	return nil
}

// elsewhere counts what is sent to another machine, where everything succeeds.
type elsewhere struct {
	here *executor.Local
	sent atomic.Int64
}

func (e *elsewhere) Execute(ctx context.Context, a *executor.Action, p stages.Progress) (*executor.Result, error) {
	e.sent.Add(1)
	if a.Key.IsZero() {
		return nil, errors.New("it has no key")
	}
	return e.here.Execute(ctx, a, p)
}

func (e *elsewhere) Rerun(context.Context, *executor.Action, stages.Progress) (*cache.Entry, error) {
	return nil, errors.New("not here")
}

// Nodes whose keys are not known before they ran are this machine's, and take of it
// what they need, whatever executor was chosen for them.
func TestWithoutAKeyItRunsHere(t *testing.T) {
	b := newBench(t)
	b.write("main.hcl", `
dataset "fetched" "all" {
  for_each = toset([for i in range(20) : "n${i}"])
  url      = each.key
}
preprocess "join" "after" { text = dataset.all["n7"].url }
`)
	e, x := b.engine(nil), &elsewhere{here: b.executor()}
	sum := e.Run(context.WithValue(t.Context(), benchKey{}, b), Options{
		Executor: b.executor(), Machine: small, Remote: func(*Node) executor.Executor { return x },
	})
	if sum.Ran != 21 || x.sent.Load() != 1 || b.most > 3 { // two here, and what was sent away
		t.Errorf("%+v; %d were sent away, %d ran at a time", sum, x.sent.Load(), b.most)
	}
}
