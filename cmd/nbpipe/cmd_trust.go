package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/cache/trust"
	"github.com/nbpipe/nbpipe/pipeline/lang"
)

func (a *app) trustCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "trust [EXPERIMENT]", Short: "Agree to the team cache that an experiment names", Args: cobra.MaximumNArgs(1),
		Long: `Show the team cache that an experiment's settings name, and whose results it asks
you to believe, and ask whether you agree. Until you do, nothing is sent there and
nothing is taken from there: experiments may come from strangers. When the
settings change, you are asked again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.agree(cmd.Context(), args, yes, cmd.InOrStdin())
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "agree without being asked")
	return cmd
}

func (a *app) agree(ctx context.Context, args []string, yes bool, in io.Reader) error {
	s, err := a.open(ctx, args, false)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.parse(ctx); err != nil {
		return err
	}
	c := s.x.Cache
	if c == nil {
		return withCode(exitUsage, fmt.Errorf(`%s names no team cache: its settings have no block cache "s3" "NAME"`, s.target.experiment))
	}
	if s.trust.Confirmed(s.folder, c.Digest().String()) {
		fmt.Fprintf(a.stdout, "you have agreed to this team cache already\n")
		return nil
	}
	a.showCache(s, c)
	if !yes {
		fmt.Fprint(a.stdout, "Take results from there, believe these keys, and publish yours? Type yes: ")
		answer, err := bufio.NewReader(in).ReadString('\n')
		if err != nil && answer == "" {
			return withCode(exitUsage, errors.New("nothing was answered; --yes agrees without being asked"))
		}
		if strings.TrimSpace(answer) != "yes" {
			return withCode(exitUsage, errors.New("not agreed; nothing has changed"))
		}
	}
	now := time.Now()
	for _, text := range c.Trust {
		p, err := trust.ParsePublic(text)
		if err == nil {
			err = s.trust.Add(p, "from "+s.folder, now)
		}
		if err != nil {
			return withCode(exitUsage, err)
		}
	}
	s.trust.Confirm(trust.Project{Path: s.folder, Digest: c.Digest().String(), Confirmed: now.UTC().Truncate(time.Second)})
	if err := s.trust.Save(); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "agreed")
	return nil
}

func (a *app) showCache(s *session, c *lang.CacheSettings) {
	config, _ := (&remoteSettings{}).config(c)
	fmt.Fprintf(a.stdout, "%s shares results in\n  %s (%s)\n", s.target.experiment, placeText(config), map[string]string{"read": "for reading", "write": "for reading and publishing"}[c.Mode])
	if c.Insecure {
		fmt.Fprintln(a.stdout, "  without encryption: who is on the way can read what is sent")
	}
	if len(c.Trust) == 0 {
		fmt.Fprintln(a.stdout, "and names no keys: you believe those that you trust yourself (nbpipe key trust).")
		return
	}
	fmt.Fprintln(a.stdout, "and asks you to believe what is signed by")
	for _, k := range c.Trust {
		fmt.Fprintf(a.stdout, "  %s\n", k)
	}
}
