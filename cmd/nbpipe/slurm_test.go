package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/pipeline/executor/slurm/slurmtest"
)

// slurmUser is a user of a Slurm cluster: a home folder that all machines see, an
// experiment, and nbpipe as a program.
type slurmUser struct {
	t       *testing.T
	cluster *slurmtest.Cluster
	program string
	home    string
	env     []string
}

// slurmExperiment has a chain of three below each of 66 nodes, one that reads all of
// them, and one beside.
const slurmExperiment = `
settings {
  executor = executor.cluster
}
executor "slurm" "cluster" {
  slots  = 8
  memory = "64MiB"

  prologue = ["export HOME=HOMEFOLDER NBPIPE_CACHE=HOMEFOLDER/$SLURMD_NODENAME"]
}
locals {
  names = toset([for i in range(66) : format("%02d", i)])
}
command "run" "first" {
  for_each = local.names
  argv     = ["sh", "-c", "sleep 0.2; mkdir out; echo ${each.key} > out/a; chmod +x out/a"]
  outputs  = { out = "out" }
}
command "run" "second" {
  for_each = local.names
  argv     = ["sh", "-c", "cat in/x/a in/x/a > out"]
  inputs   = { x = command.first[each.key].out }
  outputs  = { out = "out" }
}
command "run" "third" {
  for_each = local.names
  argv     = ["sh", "-c", "sort -r in/x > out; echo '{\"n\": ${each.key == "00" ? 0 : 1}}' > n"]
  inputs   = { x = command.second[each.key].out }
  outputs  = { out = "out" }
}
command "run" "all" {
  argv    = ["sh", "-c", "cat in/* | sha256sum > out"]
  inputs  = { for n in local.names : "x${n}" => command.third[n].out }
  outputs = { out = "out" }
}
command "run" "beside" {
  argv    = ["sh", "-c", "echo beside > out"]
  outputs = { out = "out" }
}
`

// built is nbpipe as a file, which the first test that needs it builds.
var built struct {
	sync.Once
	dir, path string
	err       error
}

func build() {
	if built.dir, built.err = os.MkdirTemp("", "nbpipe-test-"); built.err != nil {
		return
	}
	built.path = filepath.Join(built.dir, "nbpipe")
	cmd := exec.Command("go", "build", "-o", built.path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		built.err = fmt.Errorf("%w: %s", err, out)
	}
}

// slurmProgram is nbpipe for tests on clusters, which run beside each other.
func slurmProgram(t *testing.T) string {
	t.Helper()
	if testing.Short() || os.Getenv("NBPIPE_CI") == "" {
		t.Skip("SKIPPED: tests on a Slurm cluster run where NBPIPE_CI is set")
	}
	t.Parallel()
	built.Do(build)
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// newSlurmUser makes a user; without a cluster, of this machine alone.
func newSlurmUser(t *testing.T, program string, c *slurmtest.Cluster) *slurmUser {
	t.Helper()
	u := &slurmUser{t: t, cluster: c, program: program, home: t.TempDir()}
	environ := os.Environ()
	if c != nil {
		environ = c.Environment()
	}
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		own := name == "HOME" || strings.HasSuffix(strings.ToLower(name), "_proxy")
		for _, prefix := range []string{"NBPIPE_", "AWS_", "XDG_"} {
			own = own || strings.HasPrefix(name, prefix)
		}
		if !own {
			u.env = append(u.env, e)
		}
	}
	u.env = append(u.env, "HOME="+u.home, "NBPIPE_CACHE="+u.home+"/cache", "XDG_CONFIG_HOME="+u.home+"/config", "XDG_DATA_HOME="+u.home+"/data")
	if err := os.WriteFile(filepath.Join(u.home, "main.hcl"), []byte(strings.ReplaceAll(slurmExperiment, "HOMEFOLDER", u.home)), 0o600); err != nil {
		t.Fatal(err)
	}
	return u
}

func (u *slurmUser) folderStore() {
	u.env = append(u.env, "NBPIPE_REMOTE_FOLDER="+u.home+"/store")
	u.init()
}

// minioStore is a bucket on a MinIO server.
func (u *slurmUser) minioStore() {
	s := s3test.MinIO(u.t)
	u.env = append(u.env, "AWS_ACCESS_KEY_ID="+s.AccessKey, "AWS_SECRET_ACCESS_KEY="+s.SecretKey,
		"NBPIPE_REMOTE_BUCKET="+s.Bucket(u.t), "NBPIPE_REMOTE_ENDPOINT="+s.Endpoint, "NBPIPE_REMOTE_INSECURE=true")
	u.init()
}

func (u *slurmUser) init() {
	u.t.Helper()
	u.must("key", "generate", "alice")
	u.must("cache", "init", u.home)
	u.must("trust", u.home, "--yes")
}

func (u *slurmUser) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, u.program, args...)
	cmd.Env, cmd.Dir = u.env, u.home
	return cmd
}

func (u *slurmUser) must(args ...string) string {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), 5*time.Minute)
	defer cancel()
	out, err := u.command(ctx, args...).CombinedOutput()
	if err != nil {
		u.t.Fatalf("nbpipe %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// output is what a run in the background prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start runs the experiment in the background.
func (u *slurmUser) start() (*exec.Cmd, *output) {
	u.t.Helper()
	out := &output{}
	ctx, cancel := context.WithTimeout(u.t.Context(), 5*time.Minute)
	u.t.Cleanup(cancel)
	cmd := u.command(ctx, "run", u.home, "--json")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	return cmd, out
}

// untilSome waits until some nodes have results.
func (u *slurmUser) untilSome(out *output, n int) {
	u.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		found := strings.Count(out.String(), `"event":"finished"`)
		if found >= n {
			return
		}
		if time.Now().After(deadline) {
			u.t.Fatalf("%d results after two minutes: %s", found, out)
		}
	}
}

var (
	keys    = regexp.MustCompile(`"key": *"[0-9a-f]{64}"`)
	digests = regexp.MustCompile(`"digest": *"[0-9a-f]{64}"`)
)

// outputs are keys and digests of the two nodes at the end. A key is made of the
// digests of all inputs, so equal ones stand for equal results of all nodes.
func (u *slurmUser) outputs() string {
	u.t.Helper()
	var all []string
	for _, node := range []string{"command.all", "command.beside"} {
		shown := u.must("show", u.home, node, "--json")
		key, found := keys.FindString(shown), digests.FindAllString(shown, -1)
		if key == "" || len(found) == 0 {
			u.t.Fatalf("no key or digest of %s: %s", node, shown)
		}
		all = append(append(all, key), found...)
	}
	return strings.Join(all, "\n")
}

// TestSlurm runs an experiment on clusters, with the same results as on this machine,
// whatever dies meanwhile. Each test has a cluster of its own, waits most of the time,
// and so runs beside the others; those that wait longest come first.
func TestSlurm(t *testing.T) {
	program := slurmProgram(t)
	here := newSlurmUser(t, program, nil)
	if out := here.must("run", here.home, "--executor", "local"); !strings.Contains(out, "200 nodes: 200 ran") {
		t.Fatalf("here: %s", out)
	}
	want := here.outputs()
	for _, c := range slurmTests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := newSlurmUser(t, program, slurmtest.Up(t, slurmtest.Options{}))
			c.test(u)
			if got := u.outputs(); got != want {
				t.Errorf("the results differ from those of this machine:\n%s\n%s", got, want)
			}
		})
	}
}

var slurmTests = []struct {
	name string
	test func(u *slurmUser)
}{
	{"slurmctld dies", func(u *slurmUser) {
		u.whoDies(func() {
			u.cluster.KillController()
			time.Sleep(5 * time.Second)
			if err := u.cluster.StartController(); err != nil {
				u.t.Fatal(err)
			}
			go u.cluster.Undrain(u.t.Context())
		})
	}},
	{"a machine dies", func(u *slurmUser) { u.whoDies(func() { u.cluster.KillMachine(0) }) }},
	{"a worker dies", func(u *slurmUser) { u.whoDies(func() { u.cluster.KillJobs(1) }) }},
	{"slurmd dies", func(u *slurmUser) { u.whoDies(func() { u.cluster.KillDaemon(0) }) }},
	{"the controller dies", func(u *slurmUser) {
		u.minioStore()
		run, out := u.start()
		u.untilSome(out, 20)
		_ = run.Process.Signal(syscall.SIGKILL)
		_ = run.Wait()
		u.must("run", u.home)
	}},
	{"nobody dies", func(u *slurmUser) {
		u.folderStore()
		u.runsAll()
	}},
	{"MinIO", func(u *slurmUser) {
		u.minioStore()
		u.runsAll()
	}},
}

func (u *slurmUser) runsAll() {
	u.t.Helper()
	if out := u.must("run", u.home); !strings.Contains(out, "200 nodes: 200 ran") {
		u.t.Errorf("%s", out)
	}
}

// whoDies runs the experiment, in the middle of which something dies.
func (u *slurmUser) whoDies(kill func()) {
	u.t.Helper()
	u.minioStore()
	run, out := u.start()
	u.untilSome(out, 20)
	kill()
	if err := run.Wait(); err != nil {
		u.t.Fatalf("%v\n%s", err, out)
	}
}
