package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/command"
)

func (a *app) shellCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "shell [EXPERIMENT] NODE",
		Short: "Open a shell where a command would run: its inputs, its environment, its sandbox",
		Long: `Open $SHELL (or sh) in a fresh working folder with the inputs of a command at
in/NAME, in the environment and the sandbox that the command runs in. Nothing of it
is kept. With a script on the standard input, it runs that.`,
		Example: `  nbpipe shell experiments/mine command.train
  echo 'ls -lR in' | nbpipe shell experiments/mine command.train`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.shell(cmd.Context(), args) },
	}
}

func (a *app) shell(ctx context.Context, args []string) error {
	s, err := a.open(ctx, args, true)
	if err != nil {
		return err
	}
	defer s.close()
	s.ask = true // inputs that workers made are in the team cache only
	if err := s.load(ctx, nil); err != nil {
		return err
	}
	if len(s.wanted) != 1 {
		return withCode(exitUsage, fmt.Errorf("shell opens one node at a time; name one, such as command.train or command.train[\"a\"]; these are %d", len(s.wanted)))
	}
	local, machine, done, err := s.executor()
	if err != nil {
		return err
	}
	defer done()
	action, release, err := s.engine.Action(ctx, machine, s.engine.Nodes[s.wanted[0].Index], a.tell)
	if err != nil {
		return withCode(exitUsage, err)
	}
	defer release()
	err = local.Open(ctx, action, func(stage stages.Stage, in *stages.Input) error { return a.shellIn(ctx, stage, in) })
	if exit := new(exec.ExitError); errors.As(err, &exit) { // it has said why itself
		return silently(exit.ExitCode())
	}
	return withCode(exitStage, err)
}

// shellIn runs the user's shell in the place of a stage's program.
func (a *app) shellIn(ctx context.Context, stage stages.Stage, in *stages.Input) error {
	c, ok := stage.(*command.Stage)
	if !ok {
		return withCode(exitUsage, fmt.Errorf("%s starts no program: shell is for command blocks", in.Address))
	}
	name := os.Getenv("SHELL")
	if name == "" {
		name = "sh"
	}
	program, err := command.LookPath(name, os.Environ())
	if err != nil {
		return err
	}
	a.note("in the place of %s; inputs are below in/, and nothing is kept", in.Address)
	refused, err := c.Shell(ctx, in, program, [3]*os.File{os.Stdin, os.Stdout, os.Stderr})
	if refused != "" {
		a.tell(refused)
	}
	return err
}
