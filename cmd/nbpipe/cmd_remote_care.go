package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/trust"
)

// remoteFlag adds --remote to a command that looks after the local cache without it.
func remoteFlag(cmd *cobra.Command, remote *bool) {
	cmd.Use += " [--remote [EXPERIMENT]]"
	cmd.Flags().BoolVar(remote, "remote", false, "the team cache that the experiment's settings, or yours, name")
}

// remoteArgs takes an experiment with --remote only.
func remoteArgs(remote *bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if *remote {
			return cobra.MaximumNArgs(1)(cmd, args)
		}
		if len(args) > 0 {
			return withCode(exitUsage, fmt.Errorf("%q: without --remote this is about this machine's cache, and takes no experiment", args[0]))
		}
		return nil
	}
}

// caretaker is what a command that looks after a team cache works with.
type caretaker struct {
	remote *s3.Store
	store  *cache.Local
	trust  *trust.Set
	view   *view
}

// withRemote opens a team cache to look after it.
func (a *app) withRemote(ctx context.Context, args []string, f func(caretaker) error) error {
	s, err := a.openMeant(ctx, args)
	if err != nil {
		return err
	}
	defer s.close()
	config, err := s.bucket()
	if err != nil {
		return err
	}
	v := a.newView()
	defer v.close()
	config.Event = a.tell
	config.Dir = s.remoteFolder()
	config.Temp = filepath.Join(s.store.Dir(), "tmp")
	remote, err := s3.Open(ctx, config)
	if err != nil {
		return withCode(exitStore, err)
	}
	defer func() { _ = remote.Close() }()
	if _, err := s.trust.Pin(remote.Place(), remote.ID()); err != nil {
		return withCode(exitStore, err)
	}
	err = f(caretaker{remote, s.store, s.trust, v})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return withCode(exitStore, err)
}

// reading shows how many entries are read.
func (c caretaker) reading(done, total int) {
	c.view.phase(fmt.Sprintf("reading the team cache: %d of %d results", done, total))
}

func (a *app) remoteStatus(ctx context.Context, args []string) error {
	return a.withRemote(ctx, args, func(c caretaker) error {
		s, err := c.remote.Status(ctx, c.trust.Check, c.reading)
		c.view.close()
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(s)
		}
		a.printRemoteStatus(s)
		return nil
	})
}

func (a *app) printRemoteStatus(s s3.Status) {
	fmt.Fprintf(a.stdout, "place     %s\n", s.Place)
	fmt.Fprintf(a.stdout, "ID        %s, made %s; garbage lies for %s\n", s.ID, s.Created.Local().Format(time.DateOnly), ageText(s.Grace))
	fmt.Fprintf(a.stdout, "results   %d for %d keys\n", s.Entries, s.Keys)
	for _, g := range s.Signers {
		name := g.Name
		if name == "" {
			name = "nobody"
		}
		fmt.Fprintf(a.stdout, "          %d signed by %s", g.Entries, printable(name))
		if left := g.Entries - g.Trusted; left > 0 {
			fmt.Fprintf(a.stdout, ", %d of them not used: %s", left, printable(g.Reason))
		}
		fmt.Fprintln(a.stdout)
	}
	fmt.Fprintf(a.stdout, "content   %d blobs (%d packs), stored in %s\n", s.Blobs, s.Packs, byteText(s.Stored))
	if s.Entries > 0 {
		fmt.Fprintf(a.stdout, "age       from %s to %s\n", s.Oldest.Local().Format(time.DateTime), s.Newest.Local().Format(time.DateTime))
	}
	for _, r := range s.Roots {
		fmt.Fprintf(a.stdout, "kept for  %s\n", printable(r))
	}
	if s.Graves > 0 {
		fmt.Fprintf(a.stdout, "garbage   condemned by %s; see nbpipe cache gc --remote --dry-run\n", count(s.Graves, "tombstone"))
	}
	if s.Lacking+s.Damaged > 0 {
		fmt.Fprintf(a.stdout, "harm      %d results lack content, %d are damaged; see nbpipe cache doctor --remote\n", s.Lacking, s.Damaged)
	}
	if s.Deleting {
		fmt.Fprintln(a.stdout, "now       a collection of garbage is at work")
	}
}

func (a *app) remoteDoctor(ctx context.Context, args []string, repair bool) error {
	return a.withRemote(ctx, args, func(c caretaker) error {
		r, err := c.remote.Doctor(ctx, s3.DoctorOptions{Repair: repair, Local: c.store, Trust: c.trust.Check, Progress: c.reading})
		c.view.close()
		if err != nil {
			return err
		}
		return a.printFindings(r)
	})
}

func (a *app) remoteVerify(ctx context.Context, args []string, repair bool) error {
	return a.withRemote(ctx, args, func(c caretaker) error {
		var from *cache.Local
		if repair {
			from = c.store
		}
		c.view.phase("reading the team cache")
		r, err := c.remote.Verify(ctx, from, func(done, total int64) {
			c.view.phase(fmt.Sprintf("verifying the team cache: %s of %s", byteText(done), byteText(total)))
		})
		c.view.close()
		if err != nil {
			return err
		}
		return a.printRemoteVerified(r)
	})
}

func (a *app) printRemoteVerified(r s3.VerifyReport) error {
	wrong := len(r.Bad) + len(r.BadEntries) + r.Lost
	if a.json {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		for _, b := range r.Bad {
			fmt.Fprintf(a.stdout, "bad   %s; what needs it runs again\n", b.Error())
		}
		for _, e := range r.BadEntries {
			fmt.Fprintf(a.stdout, "bad   %s\n", e)
		}
		fmt.Fprintf(a.stdout, "%d blobs (%s) and %d results verified: %d blobs and %d results bad, %d blobs lost",
			r.Blobs, byteText(r.Bytes), r.Entries, len(r.Bad), len(r.BadEntries), r.Lost)
		if wrong > 0 {
			fmt.Fprintf(a.stdout, "; %d replaced from this machine", r.Healed)
		}
		fmt.Fprintln(a.stdout)
	}
	if wrong > r.Healed {
		return silently(exitDifference)
	}
	return nil
}

func (a *app) remoteGC(ctx context.Context, args []string, o gcOptions) error {
	var opt s3.GCOptions
	var err error
	if opt.OlderThan, opt.MaxSize, err = o.limits(); err != nil {
		return err
	}
	opt.DryRun = o.dryRun
	return a.withRemote(ctx, args, func(c caretaker) error {
		opt.Progress = func(what string, done, total int) {
			if total > 0 {
				what = fmt.Sprintf("%s: %d of %d", what, done, total)
			}
			c.view.phase(what)
		}
		r, err := c.remote.GC(ctx, opt)
		c.view.close()
		if a.json && err == nil {
			return a.printJSON(r)
		}
		if err == nil || r.Deleted != (s3.GCCount{}) {
			a.printRemoteCollected(r)
		}
		var busy *s3.BusyError
		if errors.As(err, &busy) {
			return withCode(exitStore, fmt.Errorf("%w; nothing was done", err))
		}
		return err
	})
}

func (a *app) printRemoteCollected(r s3.GCReport) {
	if r.DryRun {
		for _, e := range r.Live {
			a.printGCEntry("stays", e)
		}
	}
	for _, e := range r.Garbage {
		a.printGCEntry("goes ", e)
	}
	deleted, condemned := "deleted", "condemned"
	if r.DryRun {
		deleted, condemned = "would be deleted", "would be condemned"
	}
	fmt.Fprintf(a.stdout, "%d results, %s in %s; %d results stay\n", r.Entries, byteText(r.Bytes), count(r.Objects, "object"), len(r.Live))
	for _, line := range []struct {
		what string
		n    s3.GCCount
	}{{deleted, r.Deleted}, {"condemned before, the grace of " + ageText(r.Grace) + " is not over", r.Waiting}, {condemned, r.Condemned}} {
		if line.n != (s3.GCCount{}) {
			fmt.Fprintf(a.stdout, "%s and %s (%s) %s\n", count(line.n.Entries, "result"), count(line.n.Objects, "object"), byteText(line.n.Bytes), line.what)
		}
	}
	if r.Repacked > 0 {
		fmt.Fprintf(a.stdout, "%s written anew\n", count(r.Repacked, "pack"))
	}
	if r.Denied > 0 {
		fmt.Fprintf(a.stdout, "%s refused by the server: collecting needs the collector's policy, see nbpipe cache init --policies\n", count(r.Denied, "deletion"))
	}
	if !r.NextDue.IsZero() {
		fmt.Fprintf(a.stdout, "the next collection that deletes something can run at %s\n", r.NextDue.Local().Format(time.DateTime))
	}
}

func (a *app) printGCEntry(what string, e s3.GCEntry) {
	signer := e.Signer
	if signer == "" {
		signer = "nobody"
	}
	why := e.Why
	if why != "" {
		why = "  (" + why + ")"
	}
	fmt.Fprintf(a.stdout, "%s  %s  %s  by %s, used %s%s\n", what, e.Key.Short(), printable(e.Kind), printable(signer), e.Used.Local().Format(time.DateOnly), printable(why))
}
