package slurmtest

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

func TestClusterRunsAJob(t *testing.T) {
	began := time.Now()
	c := Up(t, Options{GPUs: 2})
	if took := time.Since(began); took > startLimit {
		t.Errorf("it took %v to come up", took)
	}
	submit(t, c, "printenv SLURMD_NODENAME CUDA_VISIBLE_DEVICES", "--wait", "--gres=gpu:2", "--output="+c.path("out"))
	if b, err := os.ReadFile(c.path("out")); err != nil || !strings.HasSuffix(string(b), "\n0,1\n") {
		t.Errorf("the job printed %q, %v", b, err)
	}
}

// What runs on a machine ends with it; what a daemon started does not.
func TestKill(t *testing.T) {
	c := Up(t, Options{})
	submit(t, c, "exec sleep 1000", "--nodelist=n1")
	submit(t, c, "exec sleep 1000", "--nodelist=n2")
	jobs := func() int { _, found := c.find(""); return len(found) }
	if err := until(t.Context(), "two jobs run", func() bool { return jobs() == 2 }); err != nil {
		t.Fatal(err)
	}
	c.KillDaemon(0)
	c.KillController()
	if n := jobs(); n != 2 {
		t.Errorf("%d jobs outlived the daemons", n)
	}
	c.KillMachine(0)
	if err := until(t.Context(), "one is left", func() bool { return jobs() == 1 }); err != nil {
		t.Error(err)
	}
	if err := c.StartController(); err != nil {
		t.Fatal(err)
	}
	c.Stop()
	if n := jobs(); n != 0 {
		t.Errorf("%d jobs outlived the cluster", n)
	}
}

func submit(t *testing.T, c *Cluster, script string, args ...string) {
	t.Helper()
	cmd := c.Command(context.Background(), "sbatch", append(args, "--export=NIL", "--chdir=/")...)
	cmd.Stdin = strings.NewReader("#!/bin/sh\n" + script + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sbatch: %v: %s", err, out)
	}
}
