package main

import (
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// --require-sandbox refuses a machine that lacks a part, and says which and why.
func TestRequireSandbox(t *testing.T) {
	full := sandbox.Support{Landlock: 7, Network: sandbox.ByNamespace, Limits: true, Cores: true}
	if err := whole(full); err != nil {
		t.Error(err)
	}
	for name, lacks := range map[string]func(*sandbox.Support){
		"Landlock needs Linux 5.19": func(s *sandbox.Support) { s.Landlock = 0 },
		"can use the network":       func(s *sandbox.Support) { s.Network = "" },
		"memory is not limited":     func(s *sandbox.Support) { s.Limits = false },
		"can use all cores":         func(s *sandbox.Support) { s.Cores = false },
	} {
		able := full
		able.Why = "clone: operation not permitted"
		lacks(&able)
		err := whole((&sandbox.Sandbox{Probe: func() sandbox.Support { return able }}).Support())
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), able.Why) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
