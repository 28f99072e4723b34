package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cast"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/team"
	"github.com/nbpipe/nbpipe/cache/trust"
	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/pipeline/run"
)

// remoteSettings are the user's own about a team cache: remote.* in the settings
// file, NBPIPE_REMOTE_*, and flags. A bucket named here goes before that of the
// experiment's settings, with all that belongs to it.
type remoteSettings struct {
	Bucket, Endpoint, Region, Prefix, Style string
	Folder                                  string // instead of a bucket
	CA                                      string // file of certificates
	Insecure                                bool   // http
	Mode                                    string // "read" or "write"
	Key                                     string // name of the key to sign with; "" for the newest
	Off                                     bool
}

func remoteFlags(f *pflag.FlagSet) {
	f.Bool("no-remote", false, "use no team cache")
	f.Bool("remote-only-read", false, "take results from the team cache, and publish none")
}

func (r *remoteSettings) load(f *pflag.FlagSet, v *viper.Viper) error {
	for name, to := range map[string]*string{
		"folder": &r.Folder, "bucket": &r.Bucket, "endpoint": &r.Endpoint, "region": &r.Region, "prefix": &r.Prefix, "style": &r.Style,
		"ca": &r.CA, "mode": &r.Mode, "key": &r.Key,
	} {
		*to = v.GetString("remote." + name)
	}
	var err error
	if r.Insecure, err = cast.ToBoolE(v.Get("remote.insecure")); err != nil && v.IsSet("remote.insecure") {
		return fmt.Errorf("the setting remote.insecure is true or false, not %q", v.GetString("remote.insecure"))
	}
	switch r.Mode {
	case "", "read", "write":
	default:
		return fmt.Errorf("the setting remote.mode is read or write, not %q", r.Mode)
	}
	if r.Off, err = cast.ToBoolE(v.Get("no-remote")); err != nil {
		return fmt.Errorf("the setting no-remote is true or false, not %q", v.GetString("no-remote"))
	}
	onlyRead, err := cast.ToBoolE(v.Get("remote-only-read"))
	if err != nil {
		return fmt.Errorf("the setting remote-only-read is true or false, not %q", v.GetString("remote-only-read"))
	}
	if onlyRead {
		r.Mode = "read"
	}
	return nil
}

// config is the bucket to use, if any: the user's own, or the experiment's.
func (r *remoteSettings) config(project *lang.CacheSettings) (c s3.Config, ok bool) {
	switch {
	case r.Folder != "":
		return s3.Config{Folder: r.Folder}, true
	case r.Bucket == "" && project != nil && project.Folder != "":
		if r.Mode == "" {
			r.Mode = project.Mode
		}
		return s3.Config{Folder: project.Folder}, true
	case r.Bucket != "":
		c = s3.Config{Bucket: r.Bucket, Endpoint: r.Endpoint, Region: r.Region, Prefix: r.Prefix, Style: r.Style, Insecure: r.Insecure}
	case project != nil:
		c = s3.Config{
			Bucket: project.Bucket, Endpoint: project.Endpoint, Region: project.Region, Prefix: project.Prefix, Style: project.Style,
			Insecure: project.Insecure,
		}
		if r.Mode == "" {
			r.Mode = project.Mode
		}
	default:
		return c, false
	}
	if c.Endpoint == "" {
		c.Endpoint = lang.AWSEndpoint
	}
	c.CAFile = r.CA
	return c, true
}

// trusted reads whom the user trusts, the user's own keys among them. Where there
// is no configuration folder (no HOME, in a container), that is nobody.
func (a *app) trusted() (*trust.Set, trust.Keyring, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return trust.Nobody(fmt.Errorf("there is no folder for settings: %w; set HOME or XDG_CONFIG_HOME", err)), trust.Keyring{}, nil
	}
	dir = filepath.Join(dir, "nbpipe")
	set, err := trust.Load(filepath.Join(dir, "trust.json"))
	if err != nil {
		return nil, trust.Keyring{}, withCode(exitUsage, err)
	}
	keys := trust.Keyring{Dir: filepath.Join(dir, "keys")}
	if err := set.AddOwn(keys); err != nil {
		a.note("%v", err)
	}
	return set, keys, nil
}

// remoteFolder remembers what buckets were seen to hold.
func (s *session) remoteFolder() string { return filepath.Join(s.store.Dir(), "remote") }

// join puts the team's store behind the local one, if there is one that the user
// agreed to. That it cannot be reached costs time, and nothing else.
func (s *session) join(ctx context.Context, events func(run.Event)) error {
	tell := s.app.tell
	r := &s.app.settings.Remote
	config, ok := r.config(s.x.Cache)
	if !ok || r.Off {
		return nil
	}
	if s.app.settings.Offline {
		s.apart = true
		return nil
	}
	if !s.agreed() {
		tell(fmt.Sprintf("this experiment shares results in %s, which you have not agreed to: nothing is sent or taken; `nbpipe trust %s` shows it and asks", placeText(config), s.target.experiment))
		return nil
	}
	t, err := s.app.openTeam(ctx, s, config, tell)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		tell(fmt.Sprintf("the team cache is not used: %v", err))
		s.apart = true
		return nil
	}
	s.place = config
	s.use(t, events)
	return nil
}

// use puts a team's store behind the local one.
func (s *session) use(t *team.Team, events func(run.Event)) {
	if events != nil {
		t.Progress = func(what string, done, total int64) {
			events(run.Event{Time: time.Now(), Type: run.EventTransfer, Message: what, Done: done, Total: total, Unit: "bytes"})
		}
	}
	s.team = t
	s.store.SetUpstream(t)
}

// agreed reports whether the bucket to use is the user's own choice, or was agreed to.
func (s *session) agreed() bool {
	return s.app.settings.Remote.Bucket != "" || s.app.settings.Remote.Folder != "" || s.trust.Confirmed(s.folder, s.x.Cache.Digest().String())
}

func placeText(c s3.Config) string {
	if c.Folder != "" {
		return c.Folder
	}
	scheme := "https"
	if c.Insecure {
		scheme = "http"
	}
	return fmt.Sprintf("s3://%s/%s on %s://%s", c.Bucket, c.Prefix, scheme, c.Endpoint)
}

// patience is how long a team cache may take to answer for the first time.
const patience = 15 * time.Second

// openTeam opens a bucket and the key to sign with.
func (a *app) openTeam(ctx context.Context, s *session, config s3.Config, tell func(string)) (*team.Team, error) {
	config.Event = tell
	config.Dir = s.remoteFolder()
	config.Temp = filepath.Join(s.store.Dir(), "tmp")
	config.Attempts = 5
	// A server that does not answer at all should not hold a run up for long.
	soon, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s did not answer within %s", placeText(config), patience))
	defer cancel()
	remote, err := s3.Open(soon, config)
	if err != nil {
		if ctx.Err() == nil && soon.Err() != nil {
			err = context.Cause(soon)
		}
		return nil, err
	}
	fresh, err := s.trust.Pin(remote.Place(), remote.ID())
	if err != nil {
		_ = remote.Close()
		return nil, err
	}
	if fresh {
		if err := s.trust.Save(); err != nil {
			_ = remote.Close()
			return nil, err
		}
	}
	o := team.Options{
		Local: s.store, Remote: remote, Dir: s.remoteFolder(),
		// The store's ID is random: so the name tells nobody the folder.
		Root: &team.Root{ID: cache.DigestOf([]byte(s.store.ID() + "\x00" + s.path)).Short(), Experiment: filepath.Base(s.path)},
	}
	if a.settings.Remote.Mode != "read" {
		switch key, err := s.keys.Load(a.settings.Remote.Key); {
		case errors.Is(err, trust.ErrNoKey):
			tell("results are not published to the team cache: " + err.Error())
		case err != nil:
			tell("results are not published to the team cache: " + err.Error())
		default:
			o.Key = &key
		}
	}
	return team.New(o), nil
}

// leave waits until what the run made is published, and says what the team gave
// and got.
func (s *session) leave(ctx context.Context, v *view) {
	if s.team == nil {
		return
	}
	if ctx.Err() == nil {
		v.phase("publishing to the team cache")
		for _, n := range s.engine.Members() {
			if n.Status == run.Cached || n.Status == run.Finished {
				s.team.Publish(n.Key)
			}
		}
	}
	s.team.Flush(ctx)
	if ctx.Err() == nil {
		s.keep(ctx)
	}
	_ = s.trust.SaveChecks(s.store)
}

// keep tells the team cache what the experiment uses, so that a collection of
// garbage leaves it. What is no longer used is given up after a whole run only.
func (s *session) keep(ctx context.Context) {
	var keys []cache.Key
	all := len(s.target.addresses) == 0
	for _, n := range s.engine.Members() {
		if n.Status == run.Cached || n.Status == run.Finished {
			keys = append(keys, n.Key)
		} else {
			all = false
		}
	}
	if err := s.team.Keep(ctx, keys, all); err != nil && !errors.Is(err, s3.ErrReadOnly) && !errors.Is(err, s3.ErrOff) {
		s.app.tell(fmt.Sprintf("the team cache was not told which results this experiment uses, so a collection of garbage may delete them: %v", err))
	}
}

// taken says which results came over the team cache, found there or made by so many
// workers' runs, and how much of their content was needed here; "" for none.
func taken(r team.Report, worked int) string {
	var parts []string
	if r.Pulled > 0 {
		parts = append(parts, count(r.Pulled, "result")+" found")
	}
	if worked > 0 {
		parts = append(parts, count(worked, "result")+" made by workers")
	}
	switch {
	case len(parts) == 0 && r.Fetched == 0:
		return ""
	case len(parts) == 0:
		return fmt.Sprintf("team cache: %s fetched, of results that were found before", byteText(r.Fetched))
	}
	line := "team cache: " + strings.Join(parts, ", ")
	if r.Fetched > 0 {
		line += fmt.Sprintf("; %s of their content fetched", byteText(r.Fetched))
	}
	return line
}

// teamText says what the team gave and got, a line each; nothing for nothing.
func teamText(r team.Report, worked int) []string {
	var out []string
	if line := taken(r, worked); line != "" {
		out = append(out, line)
	}
	if r.Published > 0 {
		out = append(out, fmt.Sprintf("team cache: %s published, %s sent", count(r.Published, "result"), byteText(r.Sent)))
	}
	if r.Unsigned > 0 {
		out = append(out, fmt.Sprintf("team cache: %s passed over, since nobody signed them", count(r.Unsigned, "result")))
	}
	if r.Damaged > 0 {
		out = append(out, fmt.Sprintf("team cache: %s passed over, since their bytes are damaged; see nbpipe cache doctor --remote", count(r.Damaged, "result")))
	}
	for _, m := range r.Misses {
		out = append(out, "team cache: it could not be asked: "+m)
	}
	for _, m := range r.NotSent {
		out = append(out, fmt.Sprintf("team cache: %s not published: %s", count(r.NotSentNum, "result"), m))
	}
	return out
}
