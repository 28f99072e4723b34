package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/nbpipe/nbpipe/hypotheses"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/command"
	"github.com/nbpipe/nbpipe/stages/dataset/artifact"
	"github.com/nbpipe/nbpipe/stages/dataset/darcyflow"
	"github.com/nbpipe/nbpipe/stages/dataset/drawncells"
	"github.com/nbpipe/nbpipe/stages/dataset/fetch"
	"github.com/nbpipe/nbpipe/stages/dataset/nasbench201"
	"github.com/nbpipe/nbpipe/stages/preprocess"
	"github.com/nbpipe/nbpipe/stages/report/html"
	"github.com/nbpipe/nbpipe/stages/retrain"
	"github.com/nbpipe/nbpipe/stages/sandbox"
	"github.com/nbpipe/nbpipe/stages/search"
)

// kinds are the kinds of nodes that this build knows.
func kinds() *stages.Registry {
	return stages.NewRegistry(slices.Concat(
		[]*stages.Kind{command.Kind, artifact.Kind, darcyflow.Kind, drawncells.Kind, fetch.Kind, nasbench201.Kind, html.Kind},
		preprocess.Kinds(), search.Kinds(), retrain.Kinds(), hypotheses.Kinds(),
	)...)
}

// services are what stages may use beyond their inputs.
func (s *session) services() stages.Services {
	machine, err := s.app.settings.machine()
	if err != nil {
		machine.Memory = 0 // whoever runs stages reports it
	}
	return stages.Services{
		Memory:  machine.Memory,
		Mirrors: s.app.settings.Mirrors, Offline: s.app.settings.Offline, Environment: os.Environ(), Memo: new(sync.Map),
		Artifacts: s.artifacts(), Sandbox: s.box,
	}
}

// sandbox confines what command stages run: to them the experiment's folder, if it
// is here, and that of the cache are closed.
func (a *app) sandbox(experiment, store string) *sandbox.Sandbox {
	private := []string{store}
	if experiment != "" {
		private = append(private, experiment)
	}
	if home, err := os.UserHomeDir(); err == nil {
		private = append(private, home, filepath.Join(home, ".local"))
	}
	return &sandbox.Sandbox{Private: private, Experiment: experiment, Missing: func(what []string) {
		a.tell("warning: not enforced on this machine (--require-sandbox refuses): " + strings.Join(what, "; "))
	}}
}
