package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
)

// Names of the secrets in a site's folder.
const (
	workerName      = "worker.json" // holds the run's key
	credentialsName = "credentials"
)

// secrets are what a run keeps in a site's folder for workers: as long as it lasts, or
// workers of it are there.
type secrets struct {
	dir         string
	file        worker.File
	credentials func() ([]byte, error) // nil where workers need none
	tell        func(string)
	mu          sync.Mutex
	beats       int
	written     time.Time // of the credentials
	quit        chan struct{}
	stopped     sync.WaitGroup
}

// renew is how often credentials are written again: those of a machine's role end after
// some hours.
const renew = 5 * time.Minute

// keepSecrets writes the secrets, and again what a worker removed that took this run for
// dead, until end.
func keepSecrets(dir string, f worker.File, credentials func() ([]byte, error), tell func(string)) (*secrets, error) {
	s := &secrets{dir: dir, file: f, credentials: credentials, tell: tell, quit: make(chan struct{})}
	if err := os.MkdirAll(worker.Attendance(s.path(workerName)), 0o700); err != nil {
		return nil, err
	}
	if err := s.beat(true); err != nil {
		return nil, err
	}
	s.stopped.Go(func() {
		tick := time.NewTicker(worker.BeatEvery)
		defer tick.Stop()
		for {
			select {
			case <-s.quit:
				return
			case <-tick.C:
				if err := s.beat(false); err != nil {
					s.tell(err.Error())
				}
			}
		}
	})
	return s, nil
}

func (s *secrets) path(name string) string { return filepath.Join(s.dir, name) }

// beat tells that the run is there, and writes what is lacking or old.
func (s *secrets) beat(first bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beats++
	sign := strconv.Itoa(os.Getpid()) + " " + strconv.Itoa(s.beats)
	if err := cache.ReplaceFile(s.path(worker.BeatName), []byte(sign), 0o600, false); err != nil {
		return err
	}
	if first || s.lacks(workerName) {
		if err := s.file.Write(s.path(workerName)); err != nil {
			return err
		}
	}
	if s.credentials == nil || !first && !s.lacks(credentialsName) && time.Since(s.written) < renew {
		return nil
	}
	s.written = time.Now() // a failure is not tried again at each beat
	text, err := s.credentials()
	if err != nil {
		return err
	}
	return cache.ReplaceFile(s.path(credentialsName), text, 0o600, false)
}

func (s *secrets) lacks(name string) bool {
	_, err := os.Lstat(s.path(name))
	return errors.Is(err, fs.ErrNotExist)
}

// end leaves the secrets to the last worker, or removes them where none is left.
func (s *secrets) end(workersLeft bool) {
	close(s.quit)
	s.stopped.Wait()
	_ = os.Remove(s.path(worker.BeatName))
	if !workersLeft {
		removeSecrets(s.dir)
	}
}

// removeSecrets removes a site's secrets, and what workers that were killed have left to
// tell that they are there.
func removeSecrets(dir string) {
	for _, name := range []string{workerName, credentialsName, worker.BeatName} {
		_ = os.Remove(filepath.Join(dir, name))
	}
	_ = os.RemoveAll(worker.Attendance(filepath.Join(dir, workerName)))
}

// chainCredentials are this machine's, in the form of the AWS command line's.
func chainCredentials() func() ([]byte, error) {
	chain := s3.DefaultCredentials()
	return func() ([]byte, error) {
		v, err := chain.GetWithContext(nil)
		if err != nil {
			return nil, fmt.Errorf("credentials of the team cache: %w", err)
		}
		text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", v.AccessKeyID, v.SecretAccessKey)
		if v.SessionToken != "" {
			text += "aws_session_token = " + v.SessionToken + "\n"
		}
		return []byte(text), nil
	}
}

// watched is a launcher that finds out, when it is closed, whether workers are left.
type watched struct {
	launch.Launcher
	id   string // of the site
	left bool
}

// Close implements launch.Launcher. Workers that were just told to end take a moment.
func (w *watched) Close() error {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for w.left = true; ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		found, err := w.Poll(ctx)
		if err != nil { // not known
			break
		}
		if w.left = anyAlive(found, w.id); !w.left {
			break
		}
	}
	return w.Launcher.Close()
}

func anyAlive(found []launch.Status, id string) bool {
	return slices.ContainsFunc(found, func(s launch.Status) bool { return s.State != launch.Ended && strings.HasPrefix(s.ID, id+".") })
}

// outdated is how long secrets of a run that was killed are kept for workers that may
// still be there: by then no certificate of its key is good any more.
const outdated = 8 * 24 * time.Hour

// sweepSecrets removes what runs of other experiments left that were killed with all
// their workers. A site whose run is alive is locked.
func sweepSecrets(folder string, now time.Time) {
	found, err := filepath.Glob(filepath.Join(folder, "*", "lock"))
	if err != nil {
		return
	}
	for _, name := range found {
		lock, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			sweepSite(filepath.Dir(name), now)
		}
		_ = lock.Close()
	}
}

// sweepSite removes the secrets of a run that was killed. The key stays for a while:
// workers on machines that do not see this folder can still be there, and another run goes
// on with them.
func sweepSite(dir string, now time.Time) {
	info, err := os.Stat(filepath.Join(dir, workerName))
	if err != nil || now.Sub(info.ModTime()) > outdated {
		removeSecrets(dir)
		return
	}
	if !worker.AnyThere(filepath.Join(dir, workerName), now) {
		_ = os.Remove(filepath.Join(dir, credentialsName))
	}
}
