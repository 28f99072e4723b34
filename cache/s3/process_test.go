package s3

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/nbpipe/nbpipe/cache/s3test"
)

// Some tests of this package take minutes. By default they run a small part; with
// the variable NBPIPE_CI all of it, as every change is tested; and
//
//	NBPIPE_TEST_SEEDS=n    the crash test goes over n seeds, from NBPIPE_TEST_SEED on (default 0)
//	NBPIPE_TEST_SOAK=30m   the soak goes on for so long
//
// A failure is replayed by its seed.
func heavy() bool { return os.Getenv("NBPIPE_CI") != "" }

// sampled says whether the nth of many like cases is run: all of them where
// everything is tested, and else a sixth.
func sampled(n int) bool { return heavy() || n%6 == 0 }

// someServers are all servers where everything is tested, and else the one in this process.
func someServers() map[string]func(testing.TB) *s3test.Server {
	if heavy() {
		return servers
	}
	return map[string]func(testing.TB) *s3test.Server{"fake": s3test.Fake}
}

// number is what a variable says, or else a default.
func number(t testing.TB, variable string, otherwise int) int {
	t.Helper()
	s := os.Getenv(variable)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// Tests that need other processes run this test binary again; TestMain then runs
// one of these instead of the tests.
var children = map[string]func(childConfig) error{
	"crash":          crashChild,
	"soak-writer":    soakChild(soakWriter),
	"soak-reader":    soakChild(soakReader),
	"soak-collector": soakChild(soakCollector),
}

const childVariable = "NBPIPE_S3_TEST_CHILD"

// childConfig tells a child what to do.
type childConfig struct {
	Name                     string // of the child
	Endpoint, Region, Bucket string
	Access, Secret           string
	Dir                      string // its machine's
	Seed                     uint64
	Point                    string // at the Nth of which it is killed
	Nth                      int
	Number                   int       // of the process
	Until                    time.Time // it ends
}

func TestMain(m *testing.M) {
	text := os.Getenv(childVariable)
	if text == "" {
		// More at a time than there are cores: most of these tests wait for servers, for
		// connections that fail, and for time to pass. It is a default of -parallel.
		if err := flag.Set("test.parallel", "4"); err != nil {
			panic(err) // only where there are no tests
		}
		os.Exit(m.Run())
	}
	var c childConfig
	err := json.Unmarshal([]byte(text), &c)
	if err == nil {
		err = children[c.Name](c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, c.Name+":", err)
		os.Exit(1)
	}
}

// child is a process that does something with a bucket.
func child(t testing.TB, server *s3test.Server, c childConfig) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.Endpoint, c.Region, c.Access, c.Secret = server.Endpoint, server.Region, server.AccessKey, server.SecretKey
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	p := exec.CommandContext(t.Context(), self)
	p.Env = append(os.Environ(), childVariable+"="+string(text))
	return p
}

// store is the configuration of the child's store.
func (c childConfig) store() Config {
	return Config{
		Endpoint: c.Endpoint, Insecure: true, Region: c.Region, Bucket: c.Bucket, Prefix: "team/cache", Style: "path",
		Credentials: credentials.NewStaticV4(c.Access, c.Secret, ""), Dir: c.Dir + "/remote", Temp: c.Dir, Timeout: 10 * time.Second,
	}
}

// timeMachine is a transport and a clock through which the present is later, and
// everything that is there therefore older.
type timeMachine struct{ by atomic.Int64 }

func (m *timeMachine) now() time.Time { return time.Now().Add(time.Duration(m.by.Load())) }

func (m *timeMachine) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		resp.Header.Set("Date", t.Add(time.Duration(m.by.Load())).UTC().Format(http.TimeFormat))
	}
	return resp, nil
}

// enter opens a store as it is seen at the time of the machine.
func (m *timeMachine) enter(ctx context.Context, c Config) (*Store, error) {
	c.Transport, c.Now = m, m.now
	return Open(ctx, c)
}
