package executor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/stages"
)

// counter counts its attempts in Input.Resume and fails until there were as many
// as it is told.
type counter struct {
	Attempts int `attr:"attempts,key"`
}

func (*counter) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{"attempt": cty.Number}
}

func (c *counter) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	path := filepath.Join(in.Resume, "attempts")
	done, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	done = append(done, '.')
	if err := os.WriteFile(path, done, 0o644); err != nil {
		return err
	}
	if c.Attempts == 0 { // nothing is kept, and it fails
		if err := os.Remove(path); err != nil {
			return err
		}
		return errors.New("cut off")
	}
	if during, ok := ctx.Value(duringKey{}).(func()); ok {
		during()
	}
	if len(done) < c.Attempts {
		return errors.New("cut off")
	}
	out.Set("attempt", cty.NumberIntVal(int64(len(done))))
	return nil
}

type duringKey struct{}

func resumeBench(t *testing.T, attempts int) (*Local, *Action) {
	t.Helper()
	store, err := cache.Open(t.Context(), filepath.Join(t.TempDir(), "cache"), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	kind := stages.Define[counter](stages.Kind{Block: "retrain", Type: "counter", Version: 1, Resumes: true})
	in := plan.Ingredients{Kind: kind, Attrs: stages.Attrs{"attempts": cty.NumberIntVal(int64(attempts))}}
	pre, err := in.Preimage()
	if err != nil {
		t.Fatal(err)
	}
	l := &Local{Store: store, Scratch: t.TempDir(), LogDir: t.TempDir(), Now: time.Now, Resume: filepath.Join(store.Dir(), cache.ResumeFolder)}
	return l, &Action{Address: "retrain.a", Ingredients: in, Key: pre.Key(), Outputs: kind.Zero().OutputTypes(nil)}
}

func TestAttemptsGoOnWhereTheLastOneStopped(t *testing.T) {
	l, a := resumeBench(t, 3)
	for range 2 {
		if _, err := l.Execute(t.Context(), a, nil); err == nil {
			t.Fatal("it did not fail")
		}
	}
	r, err := l.Execute(t.Context(), a, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.Entry.Outputs); got != `{"attempt":3}` {
		t.Error(got)
	}
	if left, _ := os.ReadDir(l.Resume); len(left) != 0 {
		t.Errorf("published, and %d folders are left", len(left))
	}
	if left, _ := os.ReadDir(l.Scratch); len(left) != 0 {
		t.Errorf("%d things are left in the scratch folder", len(left))
	}
}

func TestNothingKeptLeavesNothing(t *testing.T) {
	l, a := resumeBench(t, 0)
	if _, err := l.Execute(t.Context(), a, nil); err == nil {
		t.Fatal("it did not fail")
	}
	if left, _ := os.ReadDir(l.Resume); len(left) != 0 {
		t.Errorf("%d folders are left", len(left))
	}
}

func TestRerunsStartFromTheBeginning(t *testing.T) {
	l, a := resumeBench(t, 2)
	if _, err := l.Execute(t.Context(), a, nil); err == nil {
		t.Fatal("it did not fail")
	}
	if _, err := l.Rerun(t.Context(), a, nil); err == nil {
		t.Error("a rerun went on from what an attempt had left")
	}
}

// Two processes at one node: the second has no part in the first one's folder.
func TestOnlyOneWorksInAFolder(t *testing.T) {
	l, a := resumeBench(t, 1)
	other := &Local{Store: l.Store, Scratch: t.TempDir(), LogDir: l.LogDir, Now: l.Now, Resume: l.Resume}
	var inner string
	during := func() {
		r, err := other.Execute(t.Context(), a, nil)
		if err != nil {
			t.Error(err)
			return
		}
		inner = string(r.Entry.Outputs)
	}
	if _, err := l.Execute(context.WithValue(t.Context(), duringKey{}, during), a, nil); err != nil {
		t.Fatal(err)
	}
	if inner != `{"attempt":1}` {
		t.Errorf("the second process made %s", inner)
	}
}

func TestCollectionRemovesOldCheckpoints(t *testing.T) {
	l, a := resumeBench(t, 2)
	if _, err := l.Execute(t.Context(), a, nil); err == nil {
		t.Fatal("it did not fail")
	}
	dir := l.Store.Dir()
	if err := l.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		days, left int
	}{{29, 1}, {31, 0}} {
		now := time.Now().Add(time.Duration(c.days) * 24 * time.Hour)
		if _, err := cache.GC(t.Context(), dir, cache.GCOptions{Now: now}); err != nil {
			t.Fatal(err)
		}
		if left, _ := os.ReadDir(l.Resume); len(left) != c.left {
			t.Errorf("after %d days %d folders are left, want %d", c.days, len(left), c.left)
		}
	}
}
