package remote_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
)

// hearing collects what an executor tells.
func (u *user) hearing() (told func(what string) int) {
	var mu sync.Mutex
	var all []string
	u.config.Tell = func(m string) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, m)
	}
	return func(what string) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range all {
			if strings.Contains(m, what) {
				n++
			}
		}
		return n
	}
}

// What a worker's machine cannot enforce is told once in the run, and stands in each record.
func TestUnconfinedIsTold(t *testing.T) {
	u := newUser(t, folderPlace(t))
	u.site.Environment = append(u.site.Environment, executortest.Unconfined+"=ant")
	told := u.hearing()
	x := u.open(t, newFarm(t, u.site, 1, "ant"))
	for _, script := range []string{"echo 1 > out", "echo 2 > out"} {
		a := executortest.Script(t, script, nil)
		if err := executeOne(t, x, a); err != nil {
			t.Fatal(err)
		}
		e, err := u.config.Local.Lookup(t.Context(), a.Key)
		if err != nil || e == nil || !strings.Contains(e.Record.Facts["sandbox_missing"], "memory is not limited") {
			t.Errorf("its record: %+v, %v", e, err)
		}
	}
	if n := told("warning: not enforced on ant, and maybe on other machines (--require-sandbox runs nothing there): programs can read and write all"); n != 1 {
		t.Errorf("it was told %d times", n)
	}
}

// A machine that cannot confine programs runs nothing where that is required: another
// one does, or the action fails with what was lacking.
func TestUnconfinedIsHandedOn(t *testing.T) {
	u := newUser(t, folderPlace(t))
	u.site.Environment = append(u.site.Environment, executortest.Unconfined+"=ant,cat", executortest.Required+"=yes")
	f := newFarm(t, u.site, 2, "ant", "bee")
	if err := executeOne(t, u.open(t, f), executortest.Script(t, "echo > out", nil)); err != nil {
		t.Fatal(err)
	}
	if len(f.at("ant")) != 1 || len(f.at("bee")) != 1 {
		t.Errorf("workers on ant %q, on bee %q", f.at("ant"), f.at("bee"))
	}

	u = newUser(t, folderPlace(t))
	u.site.Environment = append(u.site.Environment, executortest.Unconfined+"=ant,cat", executortest.Required+"=yes")
	err := executeOne(t, u.open(t, newFarm(t, u.site, 2, "ant", "cat")), executortest.Script(t, "echo > out", nil))
	var failed *executor.Failure
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "On ant, cat: not enforced on this machine: everything") {
		t.Errorf("%v", err)
	}
}
