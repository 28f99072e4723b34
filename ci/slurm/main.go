// Command slurm brings up a Slurm cluster on this machine, to try out nbpipe with
// it, until it is interrupted: go run ./ci/slurm (as root; Debian's packages
// slurm-wlm and munge). It prints the line that makes a shell talk to the cluster.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/nbpipe/nbpipe/pipeline/executor/slurm/slurmtest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var o slurmtest.Options
	flag.IntVar(&o.Machines, "machines", 2, "number of machines")
	flag.IntVar(&o.CPUs, "cpus", 4, "cores of each")
	flag.IntVar(&o.GPUs, "gpus", 2, "GPUs of each")
	flag.Parse()
	if err := slurmtest.Missing(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "slurm")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := slurmtest.Start(ctx, dir, o)
	if err != nil {
		return err
	}
	defer c.Stop()
	fmt.Printf("export SLURM_CONF=%s/slurm.conf\n", dir)
	<-ctx.Done()
	return nil
}
