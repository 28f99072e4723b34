package remote_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
)

// A store that refuses to be written to is not away: nobody waits for it.
func TestReadOnlyStore(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	p := folderPlace(t)
	u := newUser(t, p)
	chmod := func(mode fs.FileMode) {
		err := filepath.WalkDir(p.config.Folder, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				err = os.Chmod(path, mode)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	chmod(0o555)
	defer chmod(0o755) // for the test's folder to be removed
	x := u.open(t, &barren{slots: 1, hosts: []string{"n1"}, state: launch.Pending})
	if err := executeOne(t, x, executortest.Script(t, "echo > out", nil)); !errors.Is(err, s3.ErrReadOnly) {
		t.Errorf("%v", err)
	}
}
