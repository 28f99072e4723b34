package sandbox

import (
	"fmt"
	"strings"
	"sync"
)

// Policy is what a program may do. Paths are absolute.
type Policy struct {
	Read    []string // files and folders that can be read, listed and run
	Write   []string // files and folders that can be changed, too
	Network bool     // leave the network open
	Memory  int64    // bytes that it may use; 0 means no limit
	CPUs    float64  // cores that it may use; 0 means no limit
}

// Ways to withhold the network.
const (
	ByNamespace = "namespace" // an empty network with a loopback
	ByFilter    = "filter"    // no internet sockets at all
)

// Support is what this machine can enforce.
type Support struct {
	Landlock int    // version of the kernel's interface; 0 where files cannot be protected
	Network  string // ByNamespace, ByFilter, or "" where the network stays open
	Root     bool   // the namespace needs no user namespace around it
	Watch    bool   // denied paths can be named
	Group    string // folder in which cgroups can be made that limit memory, or ""
	GroupCPU bool   // they limit processor time, too
	Limits   bool   // memory can be limited, for each process
	Cores    bool   // programs can be kept to some cores
	Whole    bool   // what programs start in other sessions ends with them
	Why      string // why something is missing, in the kernel's words
}

// Missing lists what a sandbox should enforce and this machine cannot; that
// denied paths are not named takes nothing away from it.
func (s Support) Missing() []string {
	var out []string
	if s.Landlock == 0 {
		out = append(out, "programs can read and write all of the user's files (Landlock needs Linux 5.19 or newer, and to be switched on)")
	}
	if s.Network == "" {
		out = append(out, "programs can use the network (neither namespaces nor seccomp are permitted)")
	}
	if !s.Limits && s.Group == "" {
		out = append(out, "memory is not limited")
	}
	if !s.Cores && !s.GroupCPU {
		out = append(out, "programs can use all cores (neither cgroups nor affinity are permitted)")
	}
	if !s.Whole {
		out = append(out, "what programs start in other sessions outlives them (this kernel does not list children)")
	}
	return out
}

// String is a summary for records: "files (Landlock 7), network (namespace), ...".
func (s Support) String() string {
	var parts []string
	if s.Landlock > 0 {
		parts = append(parts, fmt.Sprintf("files (Landlock %d)", s.Landlock))
	}
	if s.Network != "" {
		parts = append(parts, "network ("+s.Network+")")
	}
	switch {
	case s.Group != "":
		parts = append(parts, "memory (cgroup)")
	case s.Limits:
		parts = append(parts, "memory (rlimit, of each process)")
	}
	switch {
	case s.GroupCPU:
		parts = append(parts, "cpus (cgroup)")
	case s.Cores:
		parts = append(parts, "cpus (affinity)")
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// Sandbox starts programs. It is safe for concurrent use.
type Sandbox struct {
	// Private are folders that are never opened as a whole because a program lies
	// in them: the user's home, the experiment, the cache.
	Private []string
	// Experiment is the folder that path() refers to, for remedies; may be "".
	Experiment string
	// Probe finds out what the machine can enforce; nil to try it.
	Probe func() Support
	// Missing is told, once, what this machine cannot enforce; may be nil.
	Missing func(what []string)

	once    sync.Once
	tell    sync.Once
	support Support
	limits  limits
	system  []string // System, with what symbolic links in it stand for
}

// Support says what this machine can enforce. It is found out once.
func (s *Sandbox) Support() Support {
	s.once.Do(func() {
		if s.Probe != nil {
			s.support = s.Probe()
		} else {
			s.support = probe()
		}
		s.limits, s.system = newLimits(s.support), withReal(System())
	})
	return s.support
}

// complain tells what is missing, the first time.
func (s *Sandbox) complain() {
	s.tell.Do(func() {
		if missing := s.Support().Missing(); len(missing) > 0 && s.Missing != nil {
			s.Missing(missing)
		}
	})
}

// Denial is an access that the sandbox refused.
type Denial struct {
	Path string // absolute, symbolic links as the program wrote them
	Kind Access
}

// Access is what a program wanted of a path.
type Access int

// What a program can want.
const (
	ToRead Access = iota
	ToWrite
	ToRun
)

// Denials are the refused accesses that were seen, by path, without repetition.
type Denials struct {
	List []Denial
	More int // that are not in the list
}

// End is how a program's confinement ended.
type End struct {
	Denials
	Left        bool // the program left others behind, which were ended
	OutOfMemory bool // it was ended as a whole since it reached its limit
}
