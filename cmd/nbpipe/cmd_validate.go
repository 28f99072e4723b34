package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [EXPERIMENT]",
		Short: "Report every problem of the files; execute and fetch nothing",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.open(cmd.Context(), args, false)
			if err != nil {
				return err
			}
			defer s.close()
			s.warn = true
			if err := s.parse(cmd.Context()); err != nil {
				return err
			}
			if err := s.report(s.x.Check(s.x.NewState())); err != nil {
				return err
			}
			if !a.json {
				fmt.Fprintf(a.stdout, "%s: %s, no problems\n", s.target.experiment, count(len(s.x.Nodes), "node"))
			}
			return nil
		},
	}
}
