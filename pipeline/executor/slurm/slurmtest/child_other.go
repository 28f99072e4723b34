//go:build !linux

package slurmtest

import "syscall"

// childAttributes leaves a daemon in the terminal's group, so that an interrupt ends
// it too. There is no Slurm to start elsewhere.
func childAttributes() *syscall.SysProcAttr { return nil }
