package team

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/team"
	"github.com/nbpipe/nbpipe/cache/trust"
)

// jobVariable holds what a child process does, in JSON.
const jobVariable = "NBPIPE_BENCH_JOB"

// A job is what one child process does.
type job struct {
	Do      string
	Place   place
	Store   string // folder of the local store
	Keys    int    // how many results are pushed or pulled
	Want    int    // how many of them are not there before
	File    string // for the jobs that know no store
	Profile string // where its CPU profile goes, if anywhere
}

// place is a folder of a bucket.
type place struct{ Endpoint, AccessKey, SecretKey, Region, Bucket, Prefix string }

// jobs are the measured work of children, by name.
var jobs = map[string]func(context.Context, job) error{
	"push": push, "pull": pull, "sha256": hash, "raw put": rawPut, "raw get": rawGet,
}

// runJob is the main function of a child process.
func runJob(description string) error {
	var j job
	if err := json.Unmarshal([]byte(description), &j); err != nil {
		return err
	}
	debug.SetGCPercent(400) // as nbpipe does
	if j.Profile != "" {
		f, err := os.Create(j.Profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if err := jobs[j.Do](context.Background(), j); err != nil {
		return fmt.Errorf("%s: %w", j.Do, err)
	}
	return reportPeak()
}

// reportPeak prints the most memory that this process had. The kernel's account
// of a child (ru_maxrss) begins with what its parent had.
func reportPeak() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Println(peakLine, strings.TrimSpace(rest))
		}
	}
	return nil
}

const peakLine = "peak"

func (p place) config(dir string) s3.Config {
	return s3.Config{
		Endpoint: p.Endpoint, Insecure: true, Region: p.Region, Bucket: p.Bucket, Prefix: p.Prefix, Style: "path",
		Credentials: credentials.NewStaticV4(p.AccessKey, p.SecretKey, ""), Dir: dir,
		Event: func(m string) { fmt.Fprintln(os.Stderr, m) },
	}
}

// remoteDir is where a machine remembers what the bucket holds.
func remoteDir(store string) string { return filepath.Join(store, "remote") }

// key is what results are signed with: the same in each process.
func signer() cache.SigningKey {
	seed := sha256.Sum256([]byte("benchmark"))
	return cache.SigningKey{Name: "bench-1", Private: ed25519.NewKeyFromSeed(seed[:])}
}

func key(i int) cache.Key { return cache.Key(cache.DigestOf(fmt.Appendf(nil, "result %d", i))) }

func keys(n int) []cache.Key {
	out := make([]cache.Key, n)
	for i := range out {
		out[i] = key(i)
	}
	return out
}

// join opens a machine's store with the team cache behind it, and trusts the
// signer, as the command line does.
func (j job) join(ctx context.Context) (*team.Team, error) {
	set, err := trust.Load(filepath.Join(remoteDir(j.Store), "trust.json"))
	if err != nil {
		return nil, err
	}
	own := signer()
	if err := set.Add(trust.PublicOf(own), "", time.Now()); err != nil {
		return nil, err
	}
	local, err := cache.Open(ctx, j.Store, cache.Options{Trust: set.Check})
	if err != nil {
		return nil, err
	}
	remote, err := s3.Open(ctx, j.Place.config(remoteDir(j.Store)))
	if err != nil {
		return nil, err
	}
	if _, err := set.Pin(remote.Place(), remote.ID()); err != nil {
		return nil, err
	}
	t := team.New(team.Options{Local: local, Remote: remote, Key: &own, Dir: remoteDir(j.Store)})
	local.SetUpstream(t)
	return t, nil
}

func leave(t *team.Team) error { return errors.Join(t.Close(), t.Local.Close()) }

// push publishes results; those that are there are found by asking the server.
func push(ctx context.Context, j job) error {
	t, err := j.join(ctx)
	if err != nil {
		return err
	}
	got, err := t.Push(ctx, keys(j.Keys), false)
	if err == nil && (got.Published != j.Want || got.Present != j.Keys-j.Want || len(got.Failed) > 0) {
		err = fmt.Errorf("%+v", got)
	}
	return errors.Join(err, leave(t))
}

// pull brings results and their content to a machine, verified and durable.
func pull(ctx context.Context, j job) error {
	t, err := j.join(ctx)
	if err != nil {
		return err
	}
	return errors.Join(pullAll(ctx, t, keys(j.Keys)), leave(t))
}

func pullAll(ctx context.Context, t *team.Team, keys []cache.Key) error {
	t.Pull(ctx, keys)
	var want []cache.Digest
	for _, k := range keys {
		e, err := t.Local.Lookup(ctx, k)
		if err != nil {
			return err
		}
		if e == nil {
			return fmt.Errorf("no trusted result of key %s: %v, %+v", k.Short(), t.Local.MissReasons(k), t.Report())
		}
		missing, err := t.Local.Missing(ctx, e)
		if err != nil {
			return err
		}
		want = append(want, missing...)
	}
	if err := t.Fetch(ctx, t.Local, want); err != nil {
		return err
	}
	for _, d := range want {
		if have, err := t.Local.HasBlob(ctx, d); err != nil || !have {
			return fmt.Errorf("blob %s is not here: %w", d.Short(), err)
		}
	}
	return t.Local.Sync(ctx)
}

func hash(_ context.Context, j job) error {
	f, err := os.Open(j.File)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.CopyBuffer(sum, struct{ io.Reader }{f}, make([]byte, 64<<10))
	return err
}

func (p place) client() (*minio.Client, error) {
	return minio.New(p.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(p.AccessKey, p.SecretKey, ""), Region: p.Region})
}

// rawPut sends a file by minio-go in the way that costs it the least: parts
// straight from the file, and no hash of its own.
func rawPut(ctx context.Context, j job) error {
	c, err := j.Place.client()
	if err != nil {
		return err
	}
	_, err = c.FPutObject(ctx, j.Place.Bucket, j.Place.Prefix+"/raw", j.File, minio.PutObjectOptions{
		DisableContentSha256: true, PartSize: 16 << 20, NumThreads: 8,
	})
	return err
}

// rawGet writes an object to a file by minio-go, as it comes.
func rawGet(ctx context.Context, j job) error {
	c, err := j.Place.client()
	if err != nil {
		return err
	}
	core := minio.Core{Client: c}
	r, _, _, err := core.GetObject(ctx, j.Place.Bucket, j.Place.Prefix+"/raw", minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.Create(j.File)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
