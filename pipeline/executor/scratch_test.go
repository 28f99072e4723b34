package executor

import (
	"os"
	"sync"
	"testing"
)

// Many runs start at once in one cache folder: none takes another one's new
// folder for a dead run's.
func TestScratchFoldersOfManyRuns(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 300 {
				s, err := NewScratch(dir)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := os.Stat(s.Dir); err != nil {
					t.Error(err)
				}
				s.Close()
			}
		})
	}
	wg.Wait()
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d folders are left", len(left))
	}
}

func TestScratchSweepsDeadRuns(t *testing.T) {
	dir := t.TempDir()
	dead, err := NewScratch(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.lock.Close() // as the kernel does for a process that died
	alive, err := NewScratch(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if _, err := os.Stat(dead.Dir); err == nil {
		t.Error("a dead run's folder was not removed")
	}
}
