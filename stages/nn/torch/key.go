package torch

import (
	"fmt"
	"io/fs"
	"slices"
)

// ProbeCommand is a command that prints what Engine.Probe finds, as a line of
// JSON: for keys that are made before any job. It wants the variables Passed.
func ProbeCommand(python string) ([]string, error) {
	text, err := fs.ReadFile(script, scriptProbe)
	return []string{python, "-B", "-c", string(text)}, err
}

// Passed are the variables of nbpipe's own environment that reach Python.
func Passed() []string { return slices.Clone(passed) }

// ScriptVersion names what this binary carries: the Go side's revision and the
// script's digest.
func ScriptVersion() (string, error) {
	digest, err := scriptDigest()
	return fmt.Sprintf("torch engine %d, script %s", revision, digest), err
}
