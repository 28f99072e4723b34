package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/plan"
	"github.com/nbpipe/nbpipe/stages"
)

func (a *app) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "cache", Short: "Look after the cache"}
	cmd.AddCommand(a.cacheStatus(), a.cacheVerify(), a.cacheGC(), a.cacheDoctor(), a.cacheForget(),
		a.cacheInit(), a.cachePush(), a.cachePull(), a.cacheTag())
	return cmd
}

// withStore opens the store for one command.
func (a *app) withStore(ctx context.Context, f func(*cache.Local) error) error {
	store, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	return f(store)
}

func (a *app) cacheStatus() *cobra.Command {
	var remote bool
	cmd := &cobra.Command{
		Use: "status", Short: "Say what the cache holds; with --remote [EXPERIMENT], the team cache", Args: remoteArgs(&remote),
		RunE: func(cmd *cobra.Command, args []string) error {
			if remote {
				return a.remoteStatus(cmd.Context(), args)
			}
			return a.withStore(cmd.Context(), func(store *cache.Local) error {
				s, err := store.Status(cmd.Context())
				if err != nil {
					return withCode(exitStore, err)
				}
				if a.json {
					return a.printJSON(s)
				}
				a.printStatus(s)
				return nil
			})
		},
	}
	remoteFlag(cmd, &remote)
	return cmd
}

func (a *app) printStatus(s cache.Status) {
	fmt.Fprintf(a.stdout, "folder    %s\n", s.Dir)
	fmt.Fprintf(a.stdout, "results   %d for %d keys\n", s.Entries, s.Keys)
	fmt.Fprintf(a.stdout, "content   %d blobs, %s, stored in %s (%d packs)\n", s.Blobs, byteText(s.LogicalBytes), byteText(s.StoredBytes), s.Packs+s.OpenPacks)
	fmt.Fprintf(a.stdout, "roots     %d experiments and tags\n", s.Refs)
	if s.Entries > 0 {
		fmt.Fprintf(a.stdout, "age       from %s to %s\n", s.Oldest.Local().Format(time.DateTime), s.Newest.Local().Format(time.DateTime))
	}
	if s.BadBlobs+s.Quarantined > 0 {
		fmt.Fprintf(a.stdout, "bad       %d blobs noted, %d set aside; see nbpipe cache doctor\n", s.BadBlobs, s.Quarantined)
	}
}

func (a *app) cacheVerify() *cobra.Command {
	var remote, repair bool
	var again rerunOptions
	cmd := &cobra.Command{
		Use: "verify", Short: "Read everything again and set aside what is not what its digest says", Args: cobra.MaximumNArgs(1),
		Long: `Read everything in the cache again, and set aside what is not what its digest says.

With --rerun N, run N of the results again that others gave an experiment, drawn
at random, and compare: a digest says that bytes are those that were signed, but
not that they are right.`,
		Example: "  nbpipe cache verify --rerun 5 experiments/nb360 --signer alice-1",
		RunE: func(cmd *cobra.Command, args []string) error {
			if asked, err := again.asked(cmd, args, remote); err != nil {
				return err
			} else if asked {
				return a.rerunSample(cmd.Context(), args, again)
			}
			if remote {
				return a.remoteVerify(cmd.Context(), args, repair)
			}
			return a.withStore(cmd.Context(), func(store *cache.Local) error { return a.verifyStore(cmd.Context(), store) })
		},
	}
	remoteFlag(cmd, &remote)
	cmd.Flags().BoolVar(&repair, "repair", false, "with --remote: replace what is wrong there by what this machine has")
	rerunFlags(cmd, &again)
	return cmd
}

func (a *app) verifyStore(ctx context.Context, store *cache.Local) error {
	v := a.newView()
	defer v.close()
	r, err := store.Verify(ctx, cache.VerifyOptions{}, func(done, total int) {
		v.phase(fmt.Sprintf("%d of %d blobs verified", done, total))
	})
	v.close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return withCode(exitStore, err)
	}
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
		fmt.Fprintf(a.stdout, "%d blobs (%s) and %d entries verified, %d bad\n", r.Blobs, byteText(r.Bytes), r.Entries, len(r.Bad)+len(r.BadEntries))
	}
	if len(r.Bad)+len(r.BadEntries) > 0 {
		return silently(exitDifference)
	}
	return nil
}

type gcOptions struct {
	maxSize, olderThan string
	dryRun, remote     bool
}

func (a *app) cacheGC() *cobra.Command {
	var o gcOptions
	cmd := &cobra.Command{
		Use: "gc", Short: "Delete results that are no longer wanted", Args: remoteArgs(&o.remote),
		Long: `Delete results that are no longer wanted, the longest unused first.

What the last run of an experiment that is still on this machine needs is kept.
Without --older-than and --max-size, only left-overs and content that no result
needs are deleted.

With --remote, garbage of the team cache is collected: what an experiment used
when it last ran on any machine (within --older-than), and what has a tag, is
kept. What is found to be garbage is condemned, and deleted by a collection that
comes after the grace (` + "`nbpipe cache init --grace`" + `), if it is garbage still. Others
may go on working meanwhile.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.remote {
				return a.remoteGC(cmd.Context(), args, o)
			}
			return a.gc(cmd.Context(), o)
		},
	}
	remoteFlag(cmd, &o.remote)
	cmd.Flags().StringVar(&o.maxSize, "max-size", "", "delete until the cache is this small, such as 20GiB")
	cmd.Flags().StringVar(&o.olderThan, "older-than", "", "delete what was not used for so long, such as 30d or 12h")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be deleted, and delete nothing")
	return cmd
}

// limits reads the flags of a collection.
func (o gcOptions) limits() (olderThan time.Duration, maxSize int64, err error) {
	if o.maxSize != "" {
		if maxSize, err = stages.ParseBytes(o.maxSize); err != nil {
			return 0, 0, withCode(exitUsage, fmt.Errorf("--max-size: %w", err))
		}
	}
	olderThan, err = parseAge("--older-than", o.olderThan)
	return olderThan, maxSize, withCode(exitUsage, err)
}

func (a *app) gc(ctx context.Context, o gcOptions) error {
	opt := cache.GCOptions{Now: time.Now(), DryRun: o.dryRun, OnWait: func(m string) { fmt.Fprintln(a.stderr, m) }}
	var err error
	if opt.OlderThan, opt.MaxSize, err = o.limits(); err != nil {
		return err
	}
	opt.Roots = func(store *cache.Local) ([]cache.Key, error) {
		return plan.Roots(store, func(experiment string) bool {
			_, err := os.Stat(experiment)
			return err == nil || !os.IsNotExist(err)
		})
	}
	// Opening it makes a store where there is none, as every command does.
	if err := a.withStore(ctx, func(*cache.Local) error { return nil }); err != nil {
		return err
	}
	r, err := cache.GC(ctx, a.settings.Cache, opt)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return withCode(exitStore, err)
	}
	if a.json {
		return a.printJSON(r)
	}
	a.printCollected(r)
	return nil
}

func (a *app) printCollected(r cache.GCReport) {
	verb := "deleted"
	if r.DryRun {
		verb = "would be deleted"
	}
	for _, d := range r.Doomed {
		fmt.Fprintf(a.stdout, "%s  %s  last used %s (%s)\n", d.Key.Short(), d.Kind, d.LastUsed.Local().Format(time.DateOnly), d.Reason)
	}
	fmt.Fprintf(a.stdout, "%d of %d results, %d of %d blobs %s: %s of %s\n",
		r.EntriesDeleted, r.Entries, r.BlobsDeleted, r.Blobs, verb, byteText(r.BytesFreed), byteText(r.Bytes))
}

var agePattern = regexp.MustCompile(`^(\d+(?:\.\d+)?)(s|m|h|d|w)$`)

// ageText says an age in the units of parseAge.
func ageText(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= u.unit && d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name
		}
	}
	return d.Round(time.Second).String()
}

// parseAge reads the age that a flag gives, such as 90m, 12h, 30d or 2w; "" is 0.
func parseAge(flag, s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	m := agePattern.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%s takes a number with s, m, h, d or w, such as 30d; not %q", flag, s)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[2]]
	if d := n * float64(unit); err == nil && d >= 1 && d < float64(100*365*24*time.Hour) {
		return time.Duration(d), nil
	}
	return 0, fmt.Errorf("%s %s is out of range", flag, s)
}

func (a *app) cacheDoctor() *cobra.Command {
	var remote, repair bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Find dangling results, left-overs and divergence", Args: remoteArgs(&remote),
		RunE: func(cmd *cobra.Command, args []string) error {
			if remote {
				return a.remoteDoctor(cmd.Context(), args, repair)
			}
			return a.withStore(cmd.Context(), func(store *cache.Local) error {
				r, err := store.Doctor(cmd.Context(), repair)
				if err != nil {
					return withCode(exitStore, err)
				}
				return a.printFindings(r)
			})
		},
	}
	remoteFlag(cmd, &remote)
	cmd.Flags().BoolVar(&repair, "repair", false, "mend what can be mended")
	return cmd
}

func (a *app) printFindings(r cache.DoctorReport) error {
	problems := len(r.Problems())
	if a.json {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		for _, f := range r.Findings {
			state := ""
			switch {
			case f.Repaired:
				state = " (repaired)"
			case f.Harmless:
				state = " (harmless)"
			}
			fmt.Fprintf(a.stdout, "%s: %s: %s%s\n", f.Kind, f.Subject, f.Detail, state)
		}
		fmt.Fprintf(a.stdout, "%s, %d of them need attention\n", count(len(r.Findings), "finding"), problems)
	}
	if problems > 0 {
		return silently(exitDifference)
	}
	return nil
}

func (a *app) cacheForget() *cobra.Command {
	return &cobra.Command{
		Use: "forget KEY...", Short: "Forget the results of keys, so that they are made again", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd.Context(), func(store *cache.Local) error {
				for _, arg := range args {
					key, err := cache.ParseKey(arg)
					if err != nil {
						return withCode(exitUsage, fmt.Errorf("%w; `nbpipe show EXPERIMENT NODE` prints a node's key", err))
					}
					n, err := store.Forget(cmd.Context(), key)
					if err != nil {
						return withCode(exitStore, err)
					}
					fmt.Fprintf(a.stdout, "%s: %s forgotten\n", key.Short(), count(n, "result"))
				}
				return nil
			})
		},
	}
}
