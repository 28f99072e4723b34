package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/trust"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/process"
	"github.com/nbpipe/nbpipe/pipeline/executor/remote"
	"github.com/nbpipe/nbpipe/pipeline/executor/slurm"
	"github.com/nbpipe/nbpipe/pipeline/executor/ssh"
	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/pipeline/run"
	"github.com/nbpipe/nbpipe/stages"
)

// executorKinds are the types of executor blocks that this build knows.
func executorKinds() launch.Kinds { return launch.Kinds{process.Kind, slurm.Kind, ssh.Kind} }

// executors are where the nodes of a run go; they are made when a node needs them.
type executors struct {
	s      *session
	local  *executor.Local
	forced string // by --executor; "" for what the files say
	whole  bool   // workers run nothing where commands cannot be confined
	made   map[string]*remote.Remote
	closes []func()
	wanted func(cache.Key, string) bool
}

// useExecutors finds out whether any node runs elsewhere, and makes what they need,
// before anything is queued.
func (s *session) useExecutors(ctx context.Context, local *executor.Local, o runOptions) (*executors, error) {
	forced := o.executor
	e := &executors{s: s, local: local, forced: forced, whole: o.whole, made: map[string]*remote.Remote{}}
	if forced != "" && forced != lang.LocalExecutor && s.x.Executors[forced] == nil {
		return nil, withCode(exitUsage, fmt.Errorf("--executor: there is no executor %q in %s; %q is this machine", forced, s.target.experiment, lang.LocalExecutor))
	}
	e.wanted = s.wantedBy(o.force)
	needs := map[string]*demand{}
	for _, n := range s.engine.Members() {
		if name := e.name(n); name != "" && (n.Status != run.Cached || o.force) {
			if needs[name] == nil {
				needs[name] = &demand{by: map[stages.Resources][]string{}}
			}
			needs[name].add(n)
		}
	}
	for _, name := range sortedKeys(needs) { // before any of them asks anybody anything
		if err := s.mayUse(s.x.Executors[name]); err != nil {
			return nil, withCode(exitUsage, err)
		}
	}
	for _, name := range sortedKeys(needs) {
		if err := e.make(ctx, name, needs[name]); err != nil {
			e.close()
			return nil, withCode(exitUsage, err)
		}
	}
	return e, nil
}

// wantedBy tells what the planned run may come to ask for: results that are lacking, by
// key, or by node where the key is not known before others have run.
func (s *session) wantedBy(force bool) func(cache.Key, string) bool {
	keys, addresses := map[cache.Key]bool{}, map[string]bool{}
	for _, n := range s.engine.Members() {
		switch {
		case n.Status == run.Cached && !force:
		case n.Key.IsZero():
			addresses[n.Address] = true
		default:
			keys[n.Key] = true
		}
	}
	return func(k cache.Key, address string) bool { return keys[k] || addresses[address] }
}

// demand is what the nodes of an executor ask for, as far as that is known before
// they run.
type demand struct {
	all []stages.Resources            // that differ
	by  map[stages.Resources][]string // which nodes do
}

func (d *demand) add(n *run.Node) {
	r := n.Needs()
	if d.by[r] == nil {
		d.all = append(d.all, r)
	}
	d.by[r] = append(d.by[r], n.Address)
}

// check has a launcher say what cannot work: a mistake in the executor's block is one
// message, before anything is queued, and not one for each node.
func (d *demand) check(ctx context.Context, l launch.Launcher) error {
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := l.Check(limited, d.all)
	if err == nil || len(d.all) == 1 {
		return err
	}
	for _, r := range d.all { // some may have nothing against them
		if err := l.Check(limited, []stages.Resources{r}); err != nil {
			return fmt.Errorf("%w (for %s)", err, abbreviate(d.by[r], mostNamed))
		}
	}
	return err
}

// name is that of the executor of a node; "" for this machine.
func (e *executors) name(n *run.Node) string {
	name := n.Executor
	if name == "" {
		name = e.s.x.Executor
	}
	if e.forced != "" {
		name = e.forced
	}
	if name == lang.LocalExecutor {
		return ""
	}
	return name
}

// remote implements run.Options.Remote.
func (e *executors) remote(n *run.Node) executor.Executor {
	if x := e.made[e.name(n)]; x != nil {
		return x
	}
	return nil
}

func (e *executors) close() {
	for _, x := range e.made {
		_ = x.Close() // what could not be ended was told
	}
	for _, f := range slices.Backward(e.closes) {
		f()
	}
}

func (e *executors) make(ctx context.Context, name string, needs *demand) error {
	s, block := e.s, e.s.x.Executors[name]
	if err := s.shares(); err != nil {
		return fmt.Errorf("executor %q needs a team cache that workers share with this machine, and a key of yours: %w; --executor local runs everything here", name, err)
	}
	site, unlock, err := s.site(name, e.whole)
	if err != nil {
		return err
	}
	e.closes = append(e.closes, unlock)
	starts, err := block.Settings.Launcher(site)
	if err != nil {
		return err
	}
	launcher := &watched{Launcher: starts, id: site.ID}
	if err := needs.check(ctx, launcher); err != nil {
		return errors.Join(err, launcher.Close())
	}
	store, err := s.patientStore(ctx)
	if err != nil {
		return errors.Join(err, launcher.Close())
	}
	e.closes = append(e.closes, func() { _ = store.Close() })
	if err := store.Work().Put(ctx, "attempts/"+site.ID+"/site", []byte("{}")); err != nil {
		return errors.Join(fmt.Errorf("executor %q cannot leave work in the team cache: %w", name, err), launcher.Close())
	}
	reads, key, err := e.workerFile(ctx, site, store, launcher)
	if err != nil {
		return errors.Join(err, launcher.Close())
	}
	setup, err := setupOf(site, block)
	if err != nil {
		return errors.Join(err, launcher.Close())
	}
	e.made[name] = remote.New(remote.Config{
		Name: name, ID: site.ID, Launcher: launcher, Store: store, Local: s.store, Fallback: e.local, Trust: s.trust.Check,
		Proof: filepath.Join(site.Dir, "reached"), Setup: setup,
		Wanted: e.wanted, User: *s.team.Key, Key: key, LogDir: e.local.LogDir, Now: time.Now, Tell: s.app.tell,
		Command: func(queue string, exclusive bool, each time.Duration, id string) (args, files []string) {
			args = []string{"worker", "--from", reads[0], "--queue", queue, "--id", id}
			if each > 0 {
				args = append(args, "--each", each.String())
			}
			if exclusive {
				args = append(args, "--most", "1")
			}
			if e.whole {
				args = append(args, "--require-sandbox")
			}
			return args, reads
		},
	})
	return nil
}

// setupOf names the program and the block: what else decides on whether workers can
// work.
func setupOf(site launch.Site, block *lang.Executor) (string, error) {
	settings, err := json.Marshal(block.Settings)
	if err != nil {
		return "", err
	}
	program, err := os.Stat(site.Program)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s %d %d %s %s", version, site.Program, program.Size(), program.ModTime().UnixNano(), block.Type, settings), nil
}

// shares says what a run lacks to share results with workers, or nil.
func (s *session) shares() error {
	r := &s.app.settings.Remote
	config, ok := r.config(s.x.Cache)
	switch {
	case s.team != nil && s.team.Key != nil:
		return nil
	case !ok:
		return errors.New("the experiment's settings have none, such as cache \"folder\" \"lab\" { path = \"/project/lab/nbpipe\" } or cache \"s3\" \"lab\" { ... }; then `nbpipe trust`, `nbpipe key generate`, `nbpipe cache init`")
	case r.Off:
		return errors.New("--no-remote uses none")
	case s.app.settings.Offline:
		return errors.New("--offline uses none")
	case !s.agreed():
		return fmt.Errorf("you have not agreed to %s: `nbpipe trust %s`", placeText(config), s.target.experiment)
	case s.team == nil:
		return fmt.Errorf("%s cannot be used just now", placeText(config))
	case r.Mode == "read":
		return fmt.Errorf("%s is for reading only here (--remote-only-read, or mode in the settings)", placeText(config))
	}
	return errors.New("you have no key: `nbpipe key generate`")
}

// site is what an executor keeps on this machine: a folder that one run has at a time.
// A second run of the same experiment has a site, and workers, of its own; and so has
// one that requires a whole sandbox, since workers of another one do not. The files
// are lock, worker.json and credentials of this program, reached of package remote, and
// folders of the launcher's.
func (s *session) site(name string, whole bool) (site launch.Site, unlock func(), err error) {
	program, err := os.Executable()
	if err != nil {
		return site, nil, err
	}
	what := s.store.ID() + "\x00" + s.path + "\x00" + name
	if whole {
		what += "\x00whole"
	}
	id := cache.DigestOf([]byte(what)).String()[:16]
	sweepSecrets(filepath.Join(s.store.Dir(), "executors"), time.Now())
	for n := 1; ; n++ {
		own := id
		if n > 1 {
			own = cache.DigestOf(fmt.Appendf(nil, "%s %d", id, n)).String()[:16]
		}
		dir := filepath.Join(s.store.Dir(), "executors", own)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return site, nil, err
		}
		lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return site, nil, err
		}
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			site = launch.Site{ID: own, Name: name, Program: program, Dir: dir, Environment: withoutSecrets(os.Environ()), Now: time.Now, Tell: s.app.tell}
			return site, func() { _ = lock.Close() }, nil
		}
		_ = lock.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return site, nil, fmt.Errorf("locking %s: %w", dir, err)
		}
	}
}

// withoutSecrets leaves out what gives access to stores, and this run's own settings.
func withoutSecrets(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		for _, prefix := range []string{"AWS_", "MINIO_", "NBPIPE_REMOTE_", "NBPIPE_VAR_"} {
			if strings.HasPrefix(v, prefix) {
				return true
			}
		}
		return false
	})
}

// patientStore opens the team's store once more, for what waits until it answers.
func (s *session) patientStore(ctx context.Context) (*s3.Store, error) {
	config := s.place
	config.Event = s.app.tell
	config.Dir, config.Temp = s.remoteFolder(), filepath.Join(s.store.Dir(), "tmp")
	config.Attempts, config.BreakAfter = 4, math.MaxInt
	return s3.Open(ctx, config)
}

// workerFile writes what workers are told, and returns its path and those of the
// files that it names. The key is that of an earlier run as long as workers of that
// run are there: they go on with what this one asks for.
func (e *executors) workerFile(ctx context.Context, site launch.Site, store *s3.Store, launcher *watched) (reads []string, key ed25519.PublicKey, err error) {
	path := filepath.Join(site.Dir, workerName)
	reads = []string{path}
	old, err := worker.ReadFile(path)
	seed := old.Key
	user := trust.PublicOf(*e.s.team.Key).String()
	if err != nil || old.User != user || old.Store != store.ID() || !inUse(ctx, launcher, site.ID) {
		seed = make([]byte, ed25519.SeedSize)
		if _, err := rand.Read(seed); err != nil {
			return nil, nil, err
		}
	}
	c := e.s.place
	f := worker.File{
		Folder: c.Folder, Endpoint: c.Endpoint, Insecure: c.Insecure, Region: c.Region, Bucket: c.Bucket, Prefix: c.Prefix, Style: c.Style, CAFile: c.CAFile,
		Store: store.ID(), User: user, Key: seed, Mirrors: e.s.app.settings.Mirrors, Offline: e.s.app.settings.Offline,
	}
	var fresh func() ([]byte, error)
	if c.Folder == "" {
		f.Credentials, fresh = filepath.Join(site.Dir, credentialsName), chainCredentials()
	}
	for _, named := range []string{f.Credentials, f.CAFile} {
		if named != "" {
			reads = append(reads, named)
		}
	}
	kept, err := keepSecrets(site.Dir, f, fresh, e.s.app.tell)
	if err != nil {
		return nil, nil, err
	}
	e.closes = append(e.closes, func() { kept.end(launcher.left) })
	return reads, ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey), nil
}

func inUse(ctx context.Context, launcher launch.Launcher, id string) bool {
	soon, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	found, err := launcher.Poll(soon)
	return err != nil || anyAlive(found, id)
}
