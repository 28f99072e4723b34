package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/pipeline/executor/slurm/slurmtest"
)

// notReached runs the experiment with a store that jobs do not reach, and checks what
// the user is told and that jobs were submitted one after the other, three at most.
func (u *slurmUser) notReached(want ...string) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), 4*time.Minute)
	defer cancel()
	began := time.Now()
	b, err := u.command(ctx, "run", u.home).CombinedOutput()
	out := string(b)
	if err == nil || time.Since(began) > 2*time.Minute {
		u.t.Errorf("%v after %v", err, time.Since(began))
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			u.t.Errorf("%q is not in\n%s", w, out)
		}
	}
	if n := strings.Count(out, "no worker has reached the cache"); n != 2 { // as it fails, and at the end
		u.t.Errorf("it is told %d times:\n%s", n, out)
	}
	if strings.Contains(out, "cache init") {
		u.t.Error("a remedy that is none")
	}
	list, err := u.cluster.Command(u.t.Context(), "squeue", "-h", "-r", "-t", "all", "-o", "%V %e %i %N").Output()
	if err != nil {
		u.t.Fatal(err)
	}
	jobs := slices.Sorted(strings.Lines(string(list)))
	// What Slurm refused, since no machine was left, it remembers without a machine.
	jobs = slices.DeleteFunc(jobs, func(j string) bool { return len(strings.Fields(j)) == 3 })
	if len(jobs) != 3 {
		u.t.Errorf("jobs that were submitted:\n%s", list)
	}
	ended := ""
	for _, j := range jobs {
		f := strings.Fields(j)
		if f[0] < ended || !strings.HasSuffix(f[2], "_0") {
			u.t.Errorf("it was submitted before the one before had ended, or with others:\n%s", list)
			break
		}
		ended = f[1]
	}
}

// The store's folder is one of the controller's machine alone.
func TestSlurmFolderOfOneMachine(t *testing.T) {
	program, hidden := slurmProgram(t), t.TempDir()
	u := newSlurmUser(t, program, slurmtest.Up(t, slurmtest.Options{Hidden: hidden}))
	u.env = append(u.env, "NBPIPE_REMOTE_FOLDER="+hidden+"/store")
	u.init()
	place := hidden + "/store"
	u.notReached(`executor "cluster": no worker has reached the cache `+place+": ", "the team cache "+place+" is not there on this machine: it has to be a folder that all machines see, at the same path", "On n1, n2: ")
	if found, _ := filepath.Glob(place + "/attempts/*/claims/*"); len(found) > 0 {
		t.Errorf("claimed: %v", found)
	}
}

// The machines have a proxy in their environment that is not there.
func TestSlurmProxyThatIsNotThere(t *testing.T) {
	u := newSlurmUser(t, slurmProgram(t), slurmtest.Up(t, slurmtest.Options{}))
	s := s3test.MinIO(t)
	endpoint := outside(t, s.Endpoint)
	u.env = append(u.env, "AWS_ACCESS_KEY_ID="+s.AccessKey, "AWS_SECRET_ACCESS_KEY="+s.SecretKey,
		"NBPIPE_REMOTE_BUCKET="+s.Bucket(t), "NBPIPE_REMOTE_ENDPOINT="+endpoint, "NBPIPE_REMOTE_INSECURE=true")
	u.init()
	main := filepath.Join(u.home, "main.hcl")
	b, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), `prologue = ["`, `prologue = ["export HTTP_PROXY=http://127.0.0.1:9 http_proxy=http://127.0.0.1:9", "`, 1)
	if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	u.must("trust", u.home, "--yes")
	u.notReached(`executor "cluster": no worker has reached the cache s3://`, "on "+endpoint, "the team cache cannot be reached from this machine", "proxyconnect", "a proxy that HTTP_PROXY or HTTPS_PROXY names", "On n1, n2: ")

	// Without the proxy it is another setup, which is proven.
	if err := os.WriteFile(main, b, 0o600); err != nil {
		t.Fatal(err)
	}
	u.must("trust", u.home, "--yes")
	if out := u.must("run", u.home, "command.beside"); !strings.Contains(out, "1 node: 1 ran") {
		t.Errorf("%s", out)
	}
}

// outside makes a server on this machine be reached by an address that is not that of
// the loopback, for which no proxy is ever asked.
func outside(t *testing.T, server string) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.To4() == nil {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(ip.IP.String(), "0"))
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = l.Close() })
		go forward(l, server)
		return l.Addr().String()
	}
	t.Fatal("this machine has no address but that of the loopback")
	return ""
}

func forward(l net.Listener, server string) {
	for {
		from, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer from.Close()
			to, err := net.Dial("tcp", server)
			if err != nil {
				return
			}
			defer to.Close()
			go func() {
				_, _ = io.Copy(to, from)
				_ = to.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(from, to)
		}()
	}
}
