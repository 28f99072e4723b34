package worker

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/trust"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/pipeline/gpu/lease"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// File is what a worker is told by a file that only its user can read: it holds the
// private key of the run. Secrets of the store are not in it.
type File struct {
	Folder   string `json:"folder,omitempty"` // of the store, or a bucket:
	Endpoint string `json:"endpoint,omitempty"`
	Insecure bool   `json:"insecure,omitempty"`
	Region   string `json:"region,omitempty"`
	Bucket   string `json:"bucket,omitempty"`
	Prefix   string `json:"prefix,omitempty"`
	Style    string `json:"style,omitempty"`
	CAFile   string `json:"ca,omitempty"`
	// Credentials is a file in the form of the AWS command line's, which the
	// controller writes again before what is in it ends; "" for what the worker's
	// machine has itself.
	Credentials string `json:"credentials,omitempty"`

	Store string `json:"store"` // its ID
	User  string `json:"user"`  // public key, as trust.Public.String
	Key   []byte `json:"key"`   // seed of the run's private key

	Mirrors []string `json:"mirrors,omitempty"`
	Offline bool     `json:"offline,omitempty"`
}

// maxFile bounds what a worker's file may have, in bytes: mirrors are the only thing in
// it that there may be many of.
const maxFile = 1 << 20

// ReadFile reads a worker's file, and refuses one that others can read.
func ReadFile(path string) (f File, err error) {
	opened, err := openPrivate(path, "a private key")
	if errors.Is(err, fs.ErrNotExist) {
		return f, fmt.Errorf("%s is not there on this machine: nbpipe's folder (NBPIPE_CACHE where the run was started) has to be at the same path on all machines", path)
	}
	if err != nil {
		return f, err
	}
	defer opened.Close()
	b, err := io.ReadAll(io.LimitReader(opened, maxFile+1))
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(b, &f); err != nil || len(b) > maxFile || len(f.Key) != ed25519.SeedSize {
		return f, fmt.Errorf("%s is no worker's file of this version", path) // its content is not shown
	}
	return f, nil
}

// openPrivate opens a file that holds a secret, if only its user can read it.
func openPrivate(path, holds string) (*os.File, error) {
	// A pipe would keep whoever opens it waiting.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is no file", path)
	case info.Mode().Perm()&0o077 != 0:
		err = fmt.Errorf("%s can be read by others than you, and holds %s: chmod 600 it", path, holds)
	default:
		return f, nil
	}
	return nil, errors.Join(err, f.Close())
}

// Write replaces the file at a path in one step.
func (f File) Write(path string) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return cache.ReplaceFile(path, b, 0o600, true)
}

// Config is that of the store. Unlike a run, which can do without, a worker is
// patient with it.
func (f File) Config() s3.Config {
	return s3.Config{
		Folder: f.Folder, Endpoint: f.Endpoint, Insecure: f.Insecure, Region: f.Region, Bucket: f.Bucket, Prefix: f.Prefix,
		Style: f.Style, CAFile: f.CAFile, BreakAfter: math.MaxInt,
	}
}

// credentials are looked for in files and the machine's own role, never in the
// environment, which other users of a machine may be able to see.
func (f File) credentials() *credentials.Credentials {
	if f.Credentials != "" {
		return credentials.New(&refreshed{path: f.Credentials})
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.FileAWSCredentials{}, &credentials.FileMinioClient{}, &credentials.IAM{},
	})
}

// refreshed reads credentials from a file that is written again from time to time.
type refreshed struct {
	credentials.Expiry
	path string
	read fs.FileInfo
}

// IsExpired implements credentials.Provider.
func (r *refreshed) IsExpired() bool {
	now, err := os.Stat(r.path)
	return err == nil && (r.read == nil || !now.ModTime().Equal(r.read.ModTime()) || now.Size() != r.read.Size())
}

// Retrieve implements credentials.Provider.
func (r *refreshed) Retrieve() (credentials.Value, error) {
	f, err := openPrivate(r.path, "credentials")
	if err != nil {
		return credentials.Value{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return credentials.Value{}, err
	}
	v, err := (&credentials.FileAWSCredentials{Filename: r.path, Profile: "default"}).RetrieveWithCredContext(nil)
	// The error would show the line that it is about, and requests with no credentials
	// would be anonymous.
	if err != nil || v.AccessKeyID == "" {
		return credentials.Value{}, fmt.Errorf("%s holds no credentials in the form of the AWS command line's", r.path)
	}
	r.read = info
	return v, nil
}

// RetrieveWithCredContext implements credentials.Provider.
func (r *refreshed) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return r.Retrieve()
}

// Options say how a worker runs.
type Options struct {
	File        string // path of a File
	Queue       string // ID
	ID          string
	Cache       string // folder of this machine's store
	Keep        int64  // how many bytes it may keep there; 0 for no limit
	Kinds       *stages.Registry
	Environment []string // of stages
	Memory      int64    // bytes that stages may use; 0 where nobody said
	Sandbox     *sandbox.Sandbox
	Unfit       error // why this machine may run nothing; nil where it may
	About       queue.Used
	GPUs        []gpu.Device // that stages may use
	Leases      string       // folder of leases of GPUs, see package lease; "" where they are this worker's own
	Now         func() time.Time
	Tell        func(string)

	Beat, Linger time.Duration
	Until, Ends  time.Time
	Each         time.Duration
	Most         int
	// Reach is how long the store may take to answer for the first time; 45 s if zero.
	// Whoever waits for the worker is to learn soon that it cannot be reached from here.
	Reach time.Duration
}

// Run runs a worker until there is nothing to do.
func Run(ctx context.Context, o Options) (err error) {
	gone := attend(o)
	var f File
	defer func() { gone(ctx, f.Credentials) }()
	if f, err = ReadFile(o.File); err != nil {
		return err
	}
	user, err := trust.ParsePublic(f.User)
	if err != nil {
		return err
	}
	scratch, err := executor.NewScratch(filepath.Join(o.Cache, "scratch"))
	if err != nil {
		return err
	}
	defer scratch.Close()
	room := newRoom(o, scratch.Dir)
	defer room.leave(context.WithoutCancel(ctx))
	for ran := 0; ; {
		dir, err := room.choose(ctx)
		if err != nil {
			return err
		}
		w, err := o.session(ctx, f, user, scratch, dir, func(w *Worker) { w.ran, w.Full = ran, room.full(dir) })
		if err != nil || !w.full {
			return err
		}
		ran = w.ran
	}
}

// session runs a worker for as long as the local store in dir has room.
func (o Options) session(ctx context.Context, f File, user trust.Public, scratch *executor.Scratch, dir string, set func(*Worker)) (w *Worker, err error) {
	local, err := cache.Open(ctx, dir, cache.Options{Now: o.Now, OnWait: o.Tell})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, local.Close()) }()
	store, err := openStore(ctx, f, o, local.Dir())
	if err != nil {
		return nil, err
	}
	defer func() { _ = store.Close() }()
	local.SetUpstream(store)
	key := ed25519.NewKeyFromSeed(f.Key)
	q, err := queue.New(store.Work(), o.Queue, queue.Keys{Workers: key.Public().(ed25519.PublicKey), Controller: user.Key, Own: key})
	if err != nil {
		return nil, err
	}
	usage := &Usage{Processes: func() []int64 { return ProcessSizes(os.Getpid()) }}
	w = New(Config{
		ID: o.ID, Queue: q, Store: store, Local: local, Kinds: o.Kinds, User: user, Key: key,
		Prober: plan.NewProbes(local, o.Environment, o.Sandbox, true), About: o.About, GPUs: o.GPUs, Usage: usage, Now: o.Now, Tell: o.Tell,
		Beat: o.Beat, Linger: o.Linger, Until: o.Until, Ends: o.Ends, Each: o.Each, Most: o.Most, Unfit: o.Unfit,
		Executor: &executor.Local{
			Store: local, Scratch: scratch.Dir, LogDir: filepath.Join(scratch.Dir, "logs"), Now: o.Now, Measure: usage.facts(o.About),
			Services: stages.Services{Mirrors: f.Mirrors, Offline: f.Offline, Memory: o.Memory, Environment: o.Environment, Sandbox: o.Sandbox},
			Resume:   filepath.Join(o.Cache, cache.ResumeFolder),
		},
	})
	if o.Leases != "" {
		w.Leases = lease.New(o.Leases, scratch.Dir, o.Now)
	}
	set(w)
	return w, w.Drain(ctx)
}

const defaultReach = 45 * time.Second

// openStore opens the store, or says why it cannot be had on this machine: in one
// line, since the last one that a worker prints is what its user gets to read.
func openStore(ctx context.Context, f File, o Options, dir string) (*s3.Store, error) {
	config := f.Config()
	config.Credentials, config.Event, config.Now = f.credentials(), o.Tell, o.Now
	config.Dir, config.Temp = filepath.Join(dir, "remote"), filepath.Join(dir, "tmp")
	if f.Folder != "" {
		config.Credentials = nil
	}
	limit := cmp.Or(o.Reach, defaultReach)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type opened struct {
		store *s3.Store
		err   error
	}
	done := make(chan opened, 1)
	go func() { // a file system that hangs hears of no time-out
		store, err := s3.Open(limited, config)
		done <- opened{store, err}
	}()
	var got opened
	select {
	case got = <-done:
	case <-limited.Done():
		select {
		case got = <-done: // with what was seen so far
		case <-time.After(time.Second):
			got.err = limited.Err()
		}
	}
	if errors.Is(got.err, context.DeadlineExceeded) {
		got.err = fmt.Errorf("it does not answer within %s (%w)", limit, got.err)
	}
	switch {
	case got.err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case got.err != nil:
		return nil, f.unreachable(got.err)
	case got.store.ID() != f.Store:
		_ = got.store.Close()
		return nil, fmt.Errorf("the team cache %s has the ID %s here, and %s is expected: it was made anew, or another folder is at this path on this machine", got.store.Place(), got.store.ID(), f.Store)
	}
	return got.store, nil
}

// unreachable says what a machine that does not reach the store lacks.
func (f File) unreachable(err error) error {
	switch missing := errors.Is(err, s3.ErrNoStore); {
	case f.Folder != "" && missing:
		return fmt.Errorf("the team cache %s is not there on this machine: it has to be a folder that all machines see, at the same path", f.Folder)
	case f.Folder != "":
		return fmt.Errorf("the team cache %s cannot be read on this machine: %w: it has to be a folder that all machines see, at the same path, and that you may read and write there", f.Folder, err)
	case missing:
		return fmt.Errorf("from this machine, %s is another place than where the run was started, with no team cache in it: the endpoint has to be a name that means the same everywhere, not localhost", f.Endpoint)
	}
	return fmt.Errorf("the team cache cannot be reached from this machine: %w: its endpoint %s has to be reached from where stages run, or take a folder that all machines see", err, f.Endpoint)
}
