package team

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache/s3test"
)

// A peer is another program that is measured.
type peer struct {
	program string
	args    []string // before those of a command
	env     []string
}

// peers are all of them, each with the settings that it is measured with.
type peers struct {
	rclone, tuned, restic peer
}

func findPeers(b *testing.B) peers {
	rclone, restic := s3test.Program(b, "rclone"), s3test.Program(b, "restic")
	return peers{
		rclone: peer{program: rclone, args: []string{"--config", ""}},
		tuned: peer{program: rclone, args: []string{
			"--config", "", "--transfers", "64", "--checkers", "64", "--fast-list", "--s3-no-check-bucket",
			"--s3-upload-concurrency", "16", "--s3-chunk-size", "16M", "--multi-thread-streams", "16", "--multi-thread-chunk-size", "16M",
		}},
		restic: peer{program: restic, args: []string{"--quiet", "-o", "s3.connections=64"}},
	}
}

// with gives peers the way to a server and a home of their own: settings of the
// user, and certificates in AWS_CA_BUNDLE, are not for them.
func (p peers) with(at place, dir string) peers {
	env := []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	rclone := append(env, "RCLONE_CONFIG_BENCH_TYPE=s3", "RCLONE_CONFIG_BENCH_PROVIDER=Minio", "RCLONE_CONFIG_BENCH_ENDPOINT=http://"+at.Endpoint,
		"RCLONE_CONFIG_BENCH_ACCESS_KEY_ID="+at.AccessKey, "RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY="+at.SecretKey,
		"RCLONE_CONFIG_BENCH_REGION="+at.Region)
	p.rclone.env, p.tuned.env = rclone, rclone
	p.restic.env = append(env[:len(env):len(env)], "RESTIC_PASSWORD=bench", "AWS_DEFAULT_REGION="+at.Region,
		"AWS_ACCESS_KEY_ID="+at.AccessKey, "AWS_SECRET_ACCESS_KEY="+at.SecretKey,
		"RESTIC_CACHE_DIR="+p.cache(dir),
		"RESTIC_REPOSITORY=s3:http://"+at.Endpoint+"/"+at.Bucket+"/"+at.Prefix+"/restic")
	return p
}

// cache is restic's own copy of what describes a repository.
func (peers) cache(dir string) string { return filepath.Join(dir, "restic") }

// remote is a path of a bucket as rclone has it.
func (p place) remote(name string) string { return "bench:" + p.Bucket + "/" + p.Prefix + "/" + name }

func (p peer) run(b *testing.B, args ...string) sample {
	c := exec.Command(p.program, append(p.args[:len(p.args):len(p.args)], args...)...)
	c.Env = p.env
	return measure(b, c)
}

func (p peer) version() string {
	info, err := buildinfo.ReadFile(p.program)
	if err != nil {
		return "?"
	}
	return info.Main.Version
}

// sample is what one run of a process took.
type sample struct {
	wall, cpu time.Duration
	peak      int64 // bytes; 0 where the process does not tell
}

func measure(b *testing.B, c *exec.Cmd) sample {
	b.Helper()
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	started := time.Now()
	err := c.Run()
	wall := time.Since(started)
	if err != nil {
		b.Fatalf("%s: %v\n%s%s", c, err, out.Bytes(), said.Bytes())
	}
	if said.Len() > 0 {
		b.Logf("%s: %s", c, said.Bytes())
	}
	return sample{wall: wall, cpu: c.ProcessState.UserTime() + c.ProcessState.SystemTime(), peak: peakOf(out.String())}
}
