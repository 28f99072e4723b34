package main

import (
	"github.com/nbpipe/nbpipe/stages"
)

// kinds are the kinds of nodes that this build knows.
func kinds() *stages.Registry {
	return stages.NewRegistry()
}

// services are what stages may use beyond their inputs.
func (s *session) services() stages.Services {
	return stages.Services{Mirrors: s.app.settings.Mirrors, Offline: s.app.settings.Offline}
}
