package remote_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/process"
)

// What two workers had all their time for is not begun a third time.
func TestLongerThanAWorkerHas(t *testing.T) {
	u := newUser(t, folderPlace(t))
	u.site.Environment = append(u.site.Environment, executortest.TimeVariable+"=3s")
	p, err := (&process.Settings{Slots: 2}).Launcher(u.site)
	if err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(t.TempDir(), "mark")
	err = executeOne(t, u.open(t, p), executortest.Script(t, fmt.Sprintf("echo >> %s; sleep 20; echo > out", mark), nil))
	if err == nil || !strings.Contains(err.Error(), "it had the whole time of a job to itself, 3s, and did not end, twice: raise time in the executor's block") {
		t.Error(err)
	}
	if n := lines(t, mark); n != 2 {
		t.Errorf("it was begun %d times", n)
	}
}
