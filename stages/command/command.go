package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// Kind is `command "run"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "command", Type: "run", Version: 2, Reproducible: true,
	Doc: "Runs a program in a scratch folder and keeps the outputs that are declared.",
})

// Stage is one command.
type Stage struct {
	Argv            []string            `attr:"argv,key,optional" doc:"The program and its arguments."`
	Script          string              `attr:"script,key,optional" doc:"A shell script, run by sh -eu, in place of argv."`
	Inputs          cty.Value           `attr:"inputs,key,optional" doc:"Name to file, folder or table, or to a list or map of them: visible read-only at in/NAME. Tables are comma-separated values there."`
	Outputs         map[string]string   `attr:"outputs,key,optional" doc:"Name to path of a file or folder that the command makes."`
	Values          map[string]string   `attr:"values,key,optional" doc:"Name to path of a JSON file that the command makes: what it holds, a number or an object of numbers, say, becomes an output that other nodes and expect blocks can use."`
	Environment     map[string]string   `attr:"environment,key,optional" doc:"Variables to set."`
	PassEnvironment []string            `attr:"pass_environment,key,optional" doc:"Names of variables to pass on from nbpipe's own environment. Their values are not part of the key."`
	Secrets         map[string]string   `attr:"secrets,optional,sensitive" doc:"Variables to set that are secret: part of no key, masked in the log."`
	Tools           map[string][]string `attr:"tools,optional" doc:"Name to a command whose output tells a program's version: the output is part of the key. [program, \"--version\"] is asked again when the program's file changes, any other command at every run."`
	StrictOutputs   bool                `attr:"strict_outputs" default:"false" doc:"Fail if the command leaves files that are not declared."`
	Timeout         string              `attr:"timeout,optional" doc:"Longest time the command may take, such as 90s, 30m or 8h."`
	Network         bool                `attr:"network,key" default:"false" doc:"Let the command use the network. What comes from there is in no key: a dataset block fetches it once, and checks it."`
	SandboxRead     []string            `attr:"sandbox_read,key,optional" doc:"Files and folders of the machine that the command may read beside its inputs and the system's folders: absolute, or ~/ for HOME. What is in them is in no key: they are for programs and libraries."`
	Seed            uint64              `attr:"seed,key" default:"777" doc:"Given to the command as NBPIPE_SEED."`

	grace time.Duration // of tests; between SIGTERM and SIGKILL
}

// defaultGrace lets a training script write its last words; a run that was
// stopped should still end while somebody watches.
const defaultGrace = 10 * time.Second

// OutputTypes implements stages.Stage: one file for each declared output, and
// whatever the JSON of a value says.
func (*Stage) OutputTypes(attrs stages.Attrs) map[string]cty.Type {
	types := map[string]cty.Type{}
	eachElement(attrs["outputs"], func(name string, _ cty.Value) { types[name] = stages.FileType })
	eachElement(attrs["values"], func(name string, _ cty.Value) { types[name] = cty.DynamicPseudoType })
	return types
}

// Probes implements stages.Tooled.
func (s *Stage) Probes() map[string]stages.Probe {
	out := make(map[string]stages.Probe, len(s.Tools))
	for name, argv := range s.Tools {
		out[name] = stages.Probe{Argv: argv, Path: s.Environment["PATH"], Read: s.SandboxRead}
	}
	return out
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) (err error) {
	r := &runner{s: s, in: in, out: out, work: filepath.Join(in.Scratch, "work"), declared: s.declared()}
	defer func() { r.tidy(err == nil) }()
	if err := r.prepare(ctx); err != nil {
		return explain(err)
	}
	if err := r.execute(ctx); err != nil {
		return explain(r.withDenials(err))
	}
	if text := r.denied(); text != "" {
		out.Warn("the command coped, but %s", text)
	}
	if err := r.verifyInputs(); err != nil {
		return err
	}
	return explain(r.collect())
}

// runner is the state of one run.
type runner struct {
	s          *Stage
	in         *stages.Input
	out        *stages.Output
	work       string            // working folder of the program, absolute
	stamps     map[string]stamp  // of inputs, by path relative to work
	undeclared []string          // files that are no outputs, relative to work
	scanned    int64             // bytes of outputs looked through for the scratch path
	realWork   string            // work without symbolic links, once needed
	log        *capture          // what the program printed
	end        sandbox.End       // what the sandbox refused, and ended
	declared   map[string]string // paths of outputs and values, by name
}

// declared are the paths of all that the command is to make, by name.
func (s *Stage) declared() map[string]string {
	out := make(map[string]string, len(s.Outputs)+len(s.Values))
	maps.Copy(out, s.Outputs)
	maps.Copy(out, s.Values)
	return out
}

// prepare makes the working folder and lays out the inputs.
func (r *runner) prepare(ctx context.Context) error {
	for _, d := range []string{r.work, r.home()} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return fmt.Errorf("making the working folder: %w", err)
		}
	}
	if err := r.layInputs(ctx); err != nil {
		return err
	}
	return r.makeFolders()
}

// home is HOME and TMPDIR both: making a folder is a good part of what a
// trivial command costs, and nothing in either is kept.
func (r *runner) home() string   { return filepath.Join(r.in.Scratch, "home") }
func (r *runner) script() string { return filepath.Join(r.in.Scratch, "script") }

// tidy leaves nothing that the removal of the scratch folder would stumble over:
// inputs are read-only, and programs make read-only folders, too.
func (r *runner) tidy(success bool) {
	for rel, st := range r.stamps {
		if st.dir {
			_ = os.Chmod(filepath.Join(r.work, rel), 0o755)
		}
	}
	forceRemove(r.home())
	if !success {
		forceRemove(r.work)
	}
}

func forceRemove(dir string) {
	if syscall.Rmdir(dir) == nil || os.RemoveAll(dir) == nil { // mostly it is empty
		return
	}
	_ = filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(p, 0o755)
		}
		return nil
	})
	_ = os.RemoveAll(dir)
}

// explain adds the remedy to errors of the machine.
func explain(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: the disk of the scratch folder is full; free space on it, or choose another with --cache", err)
	}
	return err
}
