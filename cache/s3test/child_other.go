//go:build !linux

package s3test

import "syscall"

// childAttributes leaves a child in the terminal's group, so that an interrupt
// ends it too: elsewhere a child can outlive a parent that was killed.
func childAttributes() *syscall.SysProcAttr { return nil }
