package ssh

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// server is an sshd of our own on a port of this machine: other keys, other known
// hosts, another home folder than the user's. The hosts ant, bee and cat are all it;
// mute takes connections and says nothing; stranger has a key that is not known.
type server struct {
	t       *testing.T
	dir     string // of keys and configurations
	home    string
	port    int
	cmd     *exec.Cmd
	environ []string // of nbpipe, with a program ssh that uses the configuration
}

const sshdPath = "/usr/sbin/sshd"

func newServer(t *testing.T) *server {
	t.Helper()
	if os.Getenv("NBPIPE_CI") == "" {
		t.Skip("SKIPPED: tests on an ssh server of their own take minutes, and run where NBPIPE_CI is set")
	}
	for _, p := range []string{sshdPath, "/usr/bin/ssh", "/usr/bin/ssh-keygen"} {
		if _, err := os.Stat(p); err != nil {
			t.Fatalf("%v: install openssh-server", err)
		}
	}
	if os.Getuid() == 0 { // which sshd insists on then
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{t: t, dir: t.TempDir(), home: filepath.Join(t.TempDir(), "home")}
	if err := os.Mkdir(s.home, 0o755); err != nil {
		t.Fatal(err)
	}
	s.keys()
	s.port = freePort(t)
	s.configure()
	s.up()
	t.Cleanup(s.down)
	return s
}

func (s *server) keys() {
	for _, name := range []string{"host", "user"} {
		if out, err := exec.Command("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(s.dir, name)).CombinedOutput(); err != nil {
			s.t.Fatalf("%v: %s", err, out)
		}
	}
	public, err := os.ReadFile(filepath.Join(s.dir, "user.pub"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("authorized_keys", string(public), 0o600)
}

func (s *server) write(name, text string, mode os.FileMode) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// configure writes sshd's and ssh's files, and a program ssh.
func (s *server) configure() {
	me, err := user.Current()
	if err != nil {
		s.t.Fatal(err)
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { mute.Close() })
	s.write("sshd_config", fmt.Sprintf(`Port %d
ListenAddress 127.0.0.1
HostKey %s/host
AuthorizedKeysFile %[2]s/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PidFile none
SetEnv HOME=%s
`, s.port, s.dir, s.home), 0o600)
	s.write("ssh_config", fmt.Sprintf(`Host mute
  Port %d
Host stranger
  UserKnownHostsFile /dev/null
Host *
  HostName 127.0.0.1
  Port %d
  User %s
  IdentityFile %s/user
  IdentitiesOnly yes
  IdentityAgent none
  HostKeyAlias ours
  UserKnownHostsFile %[4]s/known_hosts
  GlobalKnownHostsFile /dev/null
`, mute.Addr().(*net.TCPAddr).Port, s.port, me.Username, s.dir), 0o600)
	key, err := os.ReadFile(filepath.Join(s.dir, "host.pub"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("known_hosts", "ours "+string(key), 0o600)
	if err := os.Mkdir(filepath.Join(s.dir, "bin"), 0o755); err != nil {
		s.t.Fatal(err)
	}
	s.write("bin/ssh", fmt.Sprintf("#!/bin/sh\necho \"$@\" >>%s/calls\nexec /usr/bin/ssh -F %[1]s/ssh_config \"$@\"\n", s.dir), 0o755)
	s.environ = []string{"PATH=" + s.dir + "/bin:/usr/bin:/bin", "HOME=" + s.home, "SECRET=hunter2"}
}

func (s *server) up() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "sshd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(sshdPath, "-D", "-e", "-f", filepath.Join(s.dir, "sshd_config"))
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)))
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			b, _ := os.ReadFile(filepath.Join(s.dir, "sshd.log"))
			s.t.Fatalf("sshd does not begin: %v\n%s", err, b)
		}
	}
}

// down ends sshd and its sessions: what the machine's going off the net looks like.
func (s *server) down() {
	if s.cmd == nil {
		return
	}
	sessions := descendants(s.cmd.Process.Pid)
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	for _, pid := range sessions {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	s.cmd = nil
}

// cut ends the sessions of sshd, and not sshd.
func (s *server) cut() int {
	sessions := descendants(s.cmd.Process.Pid)
	for _, pid := range sessions {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return len(sessions)
}

// descendants are the processes below one that are sshd's themselves, and no workers.
func descendants(pid int) []int {
	var out []int
	found, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range found {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		b, _ := io.ReadAll(f)
		f.Close()
		if !bytes.Contains(b, []byte("(sshd")) {
			continue
		}
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			out = append(append(out, child), descendants(child)...)
		}
	}
	return out
}

func (s *server) calls() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "calls"))
	return string(b)
}
