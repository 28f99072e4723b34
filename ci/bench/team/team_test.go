package team

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/s3test"
)

var (
	rounds   = flag.Int("rounds", 5, "how often each thing is measured; medians count")
	large    = flag.Bool("large", false, "measure memory with 10 GiB instead of 2")
	memory   = flag.String("memory", "", "folder in memory for what is timed, so that the disk is not; needs 8 GiB")
	profiles = flag.String("profiles", "", "folder for CPU profiles of what is measured")
)

func TestMain(m *testing.M) {
	if description, ok := os.LookupEnv(jobVariable); ok {
		if err := runJob(description); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// bench is one MinIO server and what was measured with it so far.
type bench struct {
	peers
	places int
	table
}

// BenchmarkTeamCache is run once: it takes its own medians.
func BenchmarkTeamCache(b *testing.B) {
	t := &bench{peers: findPeers(b)}
	before := load()
	b.Run("1GiB", t.throughput)
	b.Run("Small", t.small)
	b.Run("Memory", t.footprint)
	t.print(os.Stdout, fmt.Sprintf("rclone %s, restic %s, medians of %d rounds (least to most), load of the machine %s before and %s after, %d cores",
		t.rclone.version(), t.restic.version(), *rounds, before, load(), runtime.NumCPU()))
}

// load is how many processes want a core, over the last minute.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// place is an empty folder of a bucket, of a server or a proxy in front of it.
func (t *bench) place(b *testing.B, s *s3test.Server) place {
	b.Helper()
	t.places++
	return place{
		Endpoint: s.Endpoint, AccessKey: s.AccessKey, SecretKey: s.SecretKey, Region: s.Region,
		Bucket: s.Bucket(b), Prefix: fmt.Sprintf("place-%d", t.places),
	}
}

// folder has the servers and stores of what is timed in memory: MinIO waits for
// the disk several times for each object, rclone never does.
func folder(b *testing.B) {
	if *memory != "" {
		b.Setenv("TMPDIR", *memory)
	}
}

// run measures a child process.
func (j job) run(b *testing.B) sample {
	b.Helper()
	if *profiles != "" {
		j.Profile = filepath.Join(*profiles, fmt.Sprintf("%s-%d", strings.ReplaceAll(j.Do, " ", "-"), time.Now().UnixNano()))
	}
	description, err := json.Marshal(j)
	if err != nil {
		b.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), jobVariable+"="+string(description))
	return measure(b, c)
}

// prepare makes the store in a bucket, and has this machine know what its server can do,
// which it finds out once.
func prepare(b *testing.B, p place, store string) {
	b.Helper()
	s, err := s3.Init(b.Context(), p.config(remoteDir(store)), 0)
	if err != nil {
		b.Fatal(err)
	}
	_, err = s.Probe(b.Context(), false)
	if err := errors.Join(err, s.Close()); err != nil {
		b.Fatal(err)
	}
}

// result stores a result with one object.
func result(b *testing.B, l *cache.Local, i int, o cache.Object) {
	b.Helper()
	if _, err := l.Publish(b.Context(), &cache.Entry{Key: key(i), Kind: "bench", Outputs: []byte(`{}`), Objects: []cache.Object{o}, Preimage: []byte("x")}); err != nil {
		b.Fatal(err)
	}
}

// withStore opens a local store, and closes it before other processes are measured.
func withStore(b *testing.B, dir string, f func(*cache.Local)) {
	b.Helper()
	l, err := cache.Open(b.Context(), dir, cache.Options{})
	if err != nil {
		b.Fatal(err)
	}
	f(l)
	if err := errors.Join(l.Sync(b.Context()), l.Close()); err != nil {
		b.Fatal(err)
	}
}

// random is n bytes that cannot be compressed.
func random(n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{1}), n)
}

// eachRound calls the steps that setUp returns, once a round, and backwards in
// every other one. Each round has a server of its own: MinIO keeps what is
// deleted for minutes.
func eachRound(b *testing.B, setUp func(*testing.B) []func()) {
	for round := range *rounds {
		b.Run(fmt.Sprintf("round%d", round+1), func(b *testing.B) {
			steps := setUp(b)
			if round%2 == 1 {
				slices.Reverse(steps)
			}
			for _, step := range steps {
				step()
			}
		})
	}
}

func writeFile(b *testing.B, path string, r io.Reader) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		b.Fatal(err)
	}
}
