package worker

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// The file of a worker, and that with credentials, are secrets that are to go with the
// run. Where they lie in a folder that the workers' machines share with the
// controller's, that is whose who is last: the controller, which knows of all workers,
// or, if it was killed, the last worker. Who is there is told by files, since locks of
// other machines are not seen on each file system.

// BeatName is the file, beside that of the worker, which a controller that is alive
// writes again, with another content, every BeatEvery; one that ends removes it.
const BeatName = "controller"

const (
	// BeatEvery is how often a controller tells that it is there.
	BeatEvery = 2 * time.Second
	// silence is for how long a controller has to be silent to count as dead. Should it be
	// there after all, it writes the files again.
	silence = 5 * BeatEvery
)

// Attendance is the folder of the files that tell which workers are there.
func Attendance(file string) string { return filepath.Join(filepath.Dir(file), "attendance") }

// attend tells that a worker is there, until gone is called: it removes the secrets, if
// nobody else is there. Where the controller keeps no attendance, as on machines to which
// it copies the secrets, it does nothing.
func attend(o Options) (gone func(ctx context.Context, credentials string)) {
	own := filepath.Join(Attendance(o.File), o.ID)
	there := func() error { return os.WriteFile(own, []byte(o.About.Host+"\n"), 0o600) }
	if there() != nil {
		return func(context.Context, string) {}
	}
	quit := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		tick := time.NewTicker(tellEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				_ = there() // who does not see it takes the worker for dead, which costs time
			}
		}
	})
	return func(ctx context.Context, credentials string) {
		close(quit)
		telling.Wait()
		if os.Remove(own) != nil || !deserted(ctx, o) {
			return
		}
		for _, secret := range []string{o.File, credentials, filepath.Join(filepath.Dir(o.File), BeatName)} {
			if secret != "" {
				_ = os.Remove(secret)
			}
		}
	}
}

// deserted reports whether no worker and no controller is there. A worker that is told
// to end does not wait to find out: whoever told it is there.
func deserted(ctx context.Context, o Options) bool {
	beat := filepath.Join(filepath.Dir(o.File), BeatName)
	first, err := os.ReadFile(beat)
	for waited := time.Duration(0); err == nil && waited < silence; waited += BeatEvery / 2 {
		if ctx.Err() != nil || AnyThere(o.File, o.Now()) {
			return false
		}
		wait(ctx, BeatEvery/2)
		var now []byte
		if now, err = os.ReadFile(beat); err == nil && string(now) != string(first) {
			return false
		}
	}
	return (err == nil || errors.Is(err, fs.ErrNotExist)) && ctx.Err() == nil && !AnyThere(o.File, o.Now())
}

const (
	tellEvery = 10 * time.Minute
	// longGone is how old the word of a worker may be that is there. Clocks of machines
	// differ by less.
	longGone = 6 * tellEvery
)

// AnyThere reports whether a worker of a file is there, or whether that is not known.
func AnyThere(file string, now time.Time) bool {
	found, err := os.ReadDir(Attendance(file))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return err != nil || slices.ContainsFunc(found, func(f fs.DirEntry) bool {
		info, err := f.Info()
		return err == nil && now.Sub(info.ModTime()) < longGone
	})
}
