package ssh

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/stages"
)

// Kind is the block `executor "ssh" "NAME"`.
var Kind = launch.Define[Settings](launch.Kind{
	Type:      "ssh",
	Doc:       "Workers are processes of machines that you can log in to by ssh without a password. Ports and identity files are those of your ~/.ssh/config.",
	Agreement: "These machines are logged in to. The team cache's credentials and a key that signs results of the run are copied to the account there; prologue runs as that account, outside of the sandbox.",
})

// Settings are the block's attributes.
type Settings struct {
	Hosts []string `attr:"hosts" doc:"The machines, as the ssh program knows them: \"bee\" or \"anna@bee\"."`
	Slots int      `attr:"slots,optional" default:"1" doc:"How many workers there are at a time on each."`
	GPUs  int      `attr:"gpus,optional" default:"0" doc:"How many GPUs each machine has."`

	Prologue []string `attr:"prologue,optional" doc:"Lines for /bin/sh to run before a worker starts, such as \". ~/venv/bin/activate\"; one that fails ends the worker."`
}

const (
	maxHosts = 256
	maxSlots = 256 // on a machine
	maxGPUs  = 64
)

// hostPattern leaves out what ssh would take for an option, and what a shell or its
// configuration (%h in ProxyCommand) would.
var hostPattern = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9.:_-]*$`)

// Check implements launch.Settings.
func (s *Settings) Check() []stages.Problem {
	var out []stages.Problem
	wrong := func(attribute, summary, format string, args ...any) {
		out = append(out, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(format, args...)})
	}
	if len(s.Hosts) < 1 || len(s.Hosts) > maxHosts {
		wrong("hosts", "Wrong number of hosts", "hosts names 1 to %d machines, not %d.", maxHosts, len(s.Hosts))
	}
	seen := map[string]bool{}
	for _, h := range s.Hosts {
		switch {
		case !hostPattern.MatchString(h):
			wrong("hosts", "Not a host", "A host is a name that ssh knows, such as \"bee\" or \"anna@bee\": %q is none. A port belongs into ~/.ssh/config.", h)
		case seen[h]:
			wrong("hosts", "The same host twice", "%q is there twice: say slots to have more workers on each machine.", h)
		}
		seen[h] = true
	}
	if s.Slots < 1 || s.Slots > maxSlots {
		wrong("slots", "Wrong number of slots", "slots is a whole number from 1 to %d, not %d.", maxSlots, s.Slots)
	}
	if s.GPUs < 0 || s.GPUs > maxGPUs {
		wrong("gpus", "Wrong number of GPUs", "gpus is a whole number from 0 to %d, not %d.", maxGPUs, s.GPUs)
	}
	for _, p := range s.Prologue {
		if strings.ContainsAny(p, "\n\r\x00") {
			wrong("prologue", "Not one line", "prologue has one line in each text: %q has more.", p)
		}
	}
	return out
}
