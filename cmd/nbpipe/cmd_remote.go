package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/pipeline/run"
)

// errNoRemote says that no team cache is set.
var errNoRemote = errors.New(`no team cache is set: name one in the experiment's settings (cache "s3" "NAME" { bucket = ... }) or in your own (remote.bucket, NBPIPE_REMOTE_BUCKET)`)

// withTeam opens an experiment with its team cache, which must be there.
func (a *app) withTeam(ctx context.Context, args []string, f func(*session, *view) error) error {
	s, err := a.open(ctx, args, false)
	if err != nil {
		return err
	}
	defer s.close()
	v := a.newView()
	defer v.close()
	v.phase("reading " + s.target.experiment)
	if err := s.parse(ctx); err != nil {
		return err
	}
	config, err := s.bucket()
	if err != nil {
		return err
	}
	t, err := a.openTeam(ctx, s, config, a.tell)
	if err != nil {
		return withCode(exitStore, err)
	}
	s.use(t, v.event)
	if err := s.plan(ctx, v.event); err != nil {
		return err
	}
	return f(s, v)
}

func (s *session) notAgreed() error {
	return withCode(exitUsage, fmt.Errorf("you have not agreed to the team cache of this experiment: nbpipe trust %s", s.target.experiment))
}

func (a *app) cacheInit() *cobra.Command {
	var policies bool
	var grace string
	cmd := &cobra.Command{
		Use: "init [EXPERIMENT]", Short: "Make the team cache, or check the one that is there", Args: cobra.MaximumNArgs(1),
		Long: `Make the team cache that the experiment's settings, or yours, name: the bucket, if
it is not there, and the store's ID in it. One that is there is left as it is.

The grace is how long garbage lies before it is deleted; publishing a run's
results must take less than half of it.

With --policies, print what the administrator of the bucket needs: a policy for
each role (reader, writer, collector), and the lifecycle rule that removes
uploads that were never finished.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			age, err := parseAge("--grace", grace)
			if err == nil && age != 0 && age < s3.MinGrace {
				err = fmt.Errorf("--grace %s is too short: at least %s, and more than twice as long as publishing a run's results takes", grace, s3.MinGrace)
			}
			if err != nil {
				return withCode(exitUsage, err)
			}
			return a.initRemote(cmd.Context(), args, policies, age)
		},
	}
	cmd.Flags().StringVar(&grace, "grace", "", "grace of a new team cache, such as 12h (default 48h)")
	cmd.Flags().BoolVar(&policies, "policies", false, "print policies for the bucket, and ask the server for nothing")
	return cmd
}

func (a *app) printPolicies(c s3.Config) {
	for _, r := range s3.Roles {
		fmt.Fprintf(a.stdout, "# policy of a %s\n%s\n\n", r, s3.Policy(r, c.Bucket, c.Prefix))
	}
	fmt.Fprintf(a.stdout, "# lifecycle rule of the bucket\n%s\n", s3.Lifecycle(c.Prefix))
}

func (a *app) initRemote(ctx context.Context, args []string, policies bool, grace time.Duration) error {
	s, err := a.openMeant(ctx, args)
	if err != nil {
		return err
	}
	defer s.close()
	config, err := s.bucket()
	if policies { // nothing is sent
		config, err = s.meant()
	}
	if err != nil {
		return err
	}
	if policies {
		a.printPolicies(config)
		return nil
	}
	config.Event = a.tell
	remote, err := s3.Init(ctx, config, grace)
	if err != nil {
		return withCode(exitStore, err)
	}
	defer func() { _ = remote.Close() }()
	if grace != 0 && grace != remote.Grace() {
		a.note("the team cache was there already, with a grace of %s, which stays: its members rely on it", ageText(remote.Grace()))
	}
	if _, err := s.trust.Pin(remote.Place(), remote.ID()); err != nil {
		return withCode(exitStore, err)
	}
	if err := s.trust.Save(); err != nil {
		return err
	}
	can, err := remote.Probe(ctx, true)
	if err != nil {
		return withCode(exitStore, err)
	}
	if a.json {
		return a.printJSON(struct {
			Place        string          `json:"place"`
			ID           string          `json:"id"`
			Capabilities s3.Capabilities `json:"capabilities"`
		}{placeText(config), remote.ID(), can})
	}
	fmt.Fprintf(a.stdout, "%s is a team cache, ID %s; garbage lies for %s\n", placeText(config), remote.ID(), ageText(remote.Grace()))
	for _, n := range append(can.Notes(), folderNotes(config)...) {
		fmt.Fprintf(a.stdout, "note: %s\n", n)
	}
	return withCode(exitStore, can.Unusable())
}

// folderNotes says who else can publish to a folder.
func folderNotes(c s3.Config) []string {
	if c.Folder == "" {
		return nil
	}
	const groupWrites = 0o020
	if i, err := os.Stat(c.Folder); err != nil || i.Mode()&groupWrites != 0 {
		return nil
	}
	return []string{fmt.Sprintf("only you can publish there; for a group: chgrp -R GROUP %[1]s; find %[1]s -type d -exec chmod 2775 {} +", c.Folder)}
}

func (a *app) cachePush() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "push [EXPERIMENT] [NODE...]", Short: "Publish this machine's results of an experiment, or all of them, to the team cache",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all {
				return a.withBucket(cmd.Context(), args, func(s *session, v *view) error { return s.pushAll(cmd.Context(), v) })
			}
			return a.withTeam(cmd.Context(), args, func(s *session, v *view) error { return s.push(cmd.Context(), v) })
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all results that this machine made; the experiment only says which team cache")
	return cmd
}

func (s *session) push(ctx context.Context, v *view) error {
	var keys []cache.Key
	for _, n := range s.engine.Members() {
		if n.Status == run.Cached {
			keys = append(keys, n.Key)
		}
	}
	v.phase("publishing to the team cache")
	got, err := s.team.Push(ctx, keys, false)
	if err == nil {
		s.keep(ctx)
	}
	v.close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return withCode(exitStore, err)
	}
	if s.app.json {
		return s.app.printJSON(struct {
			Published int   `json:"published"`
			Present   int   `json:"present"`
			Blobs     int   `json:"blobs"`
			Bytes     int64 `json:"bytes"`
			Failed    int   `json:"failed"`
		}{got.Published, got.Present, got.Blobs, got.Bytes, len(got.Failed)})
	}
	for _, f := range got.Failed {
		s.app.note("not published: the result of key %s: %v", f.Key.Short(), f.Err)
	}
	fmt.Fprintf(s.app.stdout, "%s published (%s sent), %d there already\n", count(got.Published, "result"), byteText(got.Bytes), got.Present)
	if len(got.Failed) > 0 {
		return silently(exitDifference)
	}
	return nil
}

func (a *app) cachePull() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "pull [EXPERIMENT] [NODE...]", Short: "Fetch results of an experiment, or all there are, with their content, from the team cache",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all {
				a.settings.Remote.Mode = "read" // no key is needed
				return a.withBucket(cmd.Context(), args, func(s *session, v *view) error { return s.pullAll(cmd.Context(), v) })
			}
			return a.withTeam(cmd.Context(), args, func(s *session, v *view) error { return s.pull(cmd.Context(), v) })
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all results there that somebody whom you trust signed; the experiment only says which team cache")
	return cmd
}

// pull fetches the content of what the plan found; run would do so when it is needed.
func (s *session) pull(ctx context.Context, v *view) error {
	v.phase("fetching from the team cache")
	results := 0
	for _, n := range s.engine.Members() {
		if n.Status == run.Cached {
			results++
		}
	}
	var err error
	for range 2 { // manifests of folders first, then what they list
		if err == nil {
			err = s.fetchLacking(ctx)
		}
	}
	v.close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return withCode(exitStore, err)
	}
	for _, line := range teamText(s.team.Report(), 0) {
		s.app.note("%s", line)
	}
	fmt.Fprintf(s.app.stdout, "%s here with their content", count(results, "result"))
	if missing := len(s.engine.Members()) - results; missing > 0 {
		fmt.Fprintf(s.app.stdout, "; %s without one yet", count(missing, "node"))
	}
	fmt.Fprintln(s.app.stdout)
	return nil
}

// fetchLacking fetches what results need and this machine is seen to lack.
func (s *session) fetchLacking(ctx context.Context) error {
	var want []cache.Digest
	for _, n := range s.engine.Members() {
		if n.Status != run.Cached {
			continue
		}
		lacking, err := s.store.Missing(ctx, n.Entry)
		if err != nil {
			return err
		}
		want = append(want, lacking...)
	}
	if len(want) == 0 {
		return nil
	}
	return s.team.Fetch(ctx, s.store, want)
}
