package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/trust"
)

func (a *app) keyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "key", Short: "Your keys, and whose results you believe",
		Long: `Results in a team cache are signed. A key has a name and a number, such as
alice-1; when it is replaced, the new one gets the next number.

  nbpipe key generate           makes a key, and prints the line to give to others
  nbpipe key trust alice-1:...  believes what that key signs
  nbpipe key revoke alice-1 --since 2026-05-01T12:00:00Z`,
	}
	cmd.AddCommand(a.keyGenerate(), a.keyList(), a.keyTrust(), a.keyUntrust(), a.keyRevoke())
	return cmd
}

func (a *app) keyGenerate() *cobra.Command {
	return &cobra.Command{
		Use: "generate [NAME]", Short: "Make a key to sign with, and print its public half", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, keys, err := a.trusted()
			if err != nil {
				return err
			}
			name := userName()
			if len(args) == 1 {
				name = args[0]
			}
			if err := cache.CheckKeyName(name + "-1"); err != nil {
				return withCode(exitUsage, fmt.Errorf("%q cannot name a key: lower-case letters, digits, '.', '_' and '-'; the number is added", name))
			}
			k, err := keys.Generate(name)
			if err != nil {
				return withCode(exitUsage, err)
			}
			public := trust.PublicOf(k)
			if a.json {
				return a.printJSON(keyJSON{Name: k.Name, Public: public.String(), Own: true})
			}
			a.note("made %s in %s; it never leaves this machine. Those who are to believe your results run:", k.Name, keys.Dir)
			fmt.Fprintf(a.stdout, "nbpipe key trust %s\n", public)
			return nil
		},
	}
}

var notInName = regexp.MustCompile(`[^a-z0-9._-]+`)

// userName is what a key is called if nothing is said.
func userName() string {
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(os.Getenv("USER")), "-"), "-._")
	if name == "" {
		return "me"
	}
	return name
}

// keyJSON is an element of `key list --json`.
type keyJSON struct {
	Name    string     `json:"name"`
	Public  string     `json:"public"`
	Own     bool       `json:"own,omitempty"`
	Trusted bool       `json:"trusted,omitempty"`
	Comment string     `json:"comment,omitempty"`
	Revoked *time.Time `json:"revoked_since,omitempty"`
	Reason  string     `json:"reason,omitempty"`
}

func (a *app) keyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List your keys, and those that you trust or have revoked", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			set, keys, err := a.trusted()
			if err != nil {
				return err
			}
			all, err := listKeys(set, keys)
			if err != nil {
				return withCode(exitUsage, err)
			}
			if a.json {
				return a.printJSON(all)
			}
			if len(all) == 0 {
				a.note("no keys yet; `nbpipe key generate` makes one")
			}
			for _, k := range all {
				fmt.Fprintln(a.stdout, keyLine(k))
			}
			return nil
		},
	}
}

func listKeys(set *trust.Set, keys trust.Keyring) ([]keyJSON, error) {
	names, err := keys.Names()
	if err != nil {
		return nil, err
	}
	out := []keyJSON{}
	for _, n := range names {
		k, err := keys.Load(n)
		if err != nil {
			return nil, err
		}
		out = append(out, keyJSON{Name: n, Public: trust.PublicOf(k).String(), Own: true, Trusted: true})
	}
	for _, k := range set.Keys {
		if at := slices.IndexFunc(out, func(o keyJSON) bool { return o.Name == k.Name }); at >= 0 {
			out[at].Trusted = !k.Removed
			continue
		}
		out = append(out, keyJSON{Name: k.Name, Public: k.Public, Trusted: !k.Removed, Comment: k.Comment})
	}
	for _, r := range set.Revoked {
		at := slices.IndexFunc(out, func(o keyJSON) bool { return o.Name == r.Name })
		if at < 0 {
			out = append(out, keyJSON{Name: r.Name})
			at = len(out) - 1
		}
		out[at].Revoked, out[at].Reason = &r.Since, r.Reason
	}
	return out, nil
}

func keyLine(k keyJSON) string {
	var what []string
	if k.Own {
		what = append(what, "yours")
	}
	if k.Trusted && !k.Own {
		what = append(what, "trusted")
	}
	if !k.Trusted {
		what = append(what, "not trusted")
	}
	if k.Revoked != nil {
		what = append(what, "revoked since "+k.Revoked.UTC().Format(time.RFC3339))
	}
	for _, s := range []string{k.Reason, k.Comment} {
		if s != "" {
			what = append(what, printable(s))
		}
	}
	public := k.Public
	if public == "" {
		public = k.Name
	}
	return public + "  " + strings.Join(what, ", ")
}

// change edits the trust set.
func (a *app) change(f func(*trust.Set) error) error {
	set, _, err := a.trusted()
	if err != nil {
		return err
	}
	if err := f(set); err != nil {
		return withCode(exitUsage, err)
	}
	return set.Save()
}

func (a *app) keyTrust() *cobra.Command {
	var comment string
	cmd := &cobra.Command{
		Use: "trust NAME-N:BASE64", Short: "Believe what a key signs", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := trust.ParsePublic(args[0])
			if err != nil {
				return withCode(exitUsage, err)
			}
			if err := a.change(func(s *trust.Set) error { return s.Add(p, comment, time.Now()) }); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "%s is trusted\n", p.Name)
			return nil
		},
	}
	cmd.Flags().StringVar(&comment, "comment", "", "whose key it is, for the list")
	return cmd
}

func (a *app) keyUntrust() *cobra.Command {
	return &cobra.Command{
		Use: "untrust NAME-N", Short: "Believe a key no more", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := a.change(func(s *trust.Set) error { return s.Remove(args[0]) }); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "%s is not trusted any more: what it signed is a miss\n", args[0])
			return nil
		},
	}
}

func (a *app) keyRevoke() *cobra.Command {
	var since, reason string
	cmd := &cobra.Command{
		Use: "revoke NAME-N --since TIME", Short: "Believe nothing that a key signed from a time on", Args: cobra.ExactArgs(1),
		Long: `Believe nothing that a key signed from a time on: when it was stolen, or its
machine began to compute wrong results. TIME is that of the server that holds the
results, as in 2026-05-01T12:00:00Z, or a day. Results from before stay; those of
after are misses, and are made again.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := cache.CheckKeyName(args[0]); err != nil {
				return withCode(exitUsage, err)
			}
			at, err := parseTime(since)
			if err != nil {
				return withCode(exitUsage, err)
			}
			if at.After(time.Now().Add(5 * time.Minute)) {
				return withCode(exitUsage, fmt.Errorf("--since %s is in the future", since))
			}
			if err := a.change(func(s *trust.Set) error {
				s.Revoke(trust.Revocation{Name: args[0], Since: at, Reason: reason})
				return nil
			}); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "%s is revoked since %s: what it signed from then on is a miss\n", args[0], at.UTC().Format(time.RFC3339))
			return nil
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "time by the server's clock, such as 2026-05-01T12:00:00Z or 2026-05-01")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the list")
	_ = cmd.MarkFlagRequired("since") // the flag is there
	return cmd
}

func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("--since takes a time such as 2026-05-01T12:00:00Z, or a day such as 2026-05-01; not %q", s)
}
