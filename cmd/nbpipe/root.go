package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"
)

// version is set when a release is built: -ldflags "-X main.version=1.2.3".
var version = "0.1.0-dev"

// app is what the commands share: where they write, and the user's settings.
type app struct {
	stdout, stderr io.Writer
	settings       settings
	json           bool

	showing sync.Mutex
	view    *view  // the live view, while there is one
	left    string // what an interrupt means to the command, if it ends no stages
}

// parting is what the first Ctrl-C is answered with.
func (a *app) parting() string {
	a.showing.Lock()
	defer a.showing.Unlock()
	if a.left != "" {
		return a.left
	}
	return "stopping: what is running is ended, what is finished is kept; once more stops at once"
}

// leaves says what an interrupt means to a command that only looks on.
func (a *app) leaves(format string, args ...any) {
	a.showing.Lock()
	defer a.showing.Unlock()
	a.left = fmt.Sprintf(format, args...)
}

// tell says something from outside of the command's own flow.
func (a *app) tell(message string) {
	a.showing.Lock()
	v := a.view
	a.showing.Unlock()
	if v == nil {
		fmt.Fprintln(a.stderr, message)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erase()
	fmt.Fprintln(a.stderr, message)
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "nbpipe",
		Short: "Run experiments written in HCL, and get the same result anywhere",
		Long: `nbpipe runs an experiment (a folder of *.hcl files, or one file): it fetches
data, preprocesses, searches, retrains and tests hypotheses, runs only what has
no result yet, and keeps every artifact in a cache addressed by content.

Every command takes the experiment first (default: this folder) and nodes after it:
  nbpipe run experiments/quickstart
  nbpipe why experiments/nb360 hypothesis.figure4

Exit codes: 0 ok; 1 a stage failed; 2 files or flags are wrong; 3 an expectation
did not hold and --strict was given; 4 the cache is unusable; 5 verify or
fmt --check found a difference; 130 interrupted.`,
		Version:           version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.SetVersionTemplate("nbpipe {{.Version}}\n")
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	a.settings.flags(root.PersistentFlags())
	root.PersistentFlags().BoolVar(&a.json, "json", false, "write JSON: one event a line from long commands, one document from others")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		return withCode(exitUsage, a.settings.load(cmd.Flags()))
	}
	root.AddCommand(
		a.runCommand(), a.planCommand(), a.whyCommand(), a.validateCommand(), a.fmtCommand(), a.graphCommand(),
		a.showCommand(), a.getCommand(), a.verifyCommand(), a.cacheCommand(), a.keyCommand(), a.trustCommand(), a.docsCommand(), a.shellCommand(),
		a.workerCommand(), a.attachCommand(), a.cancelCommand(),
	)
	return root
}
