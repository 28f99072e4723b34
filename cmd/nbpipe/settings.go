package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cast"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/pipeline/run"
	"github.com/nbpipe/nbpipe/stages"
)

// settings are the user's own, as opposed to the experiment's. In rising
// precedence: defaults, the settings file in the user's configuration folder
// (nbpipe/settings.toml, .yaml or .json), NBPIPE_* variables, flags.
type settings struct {
	Cache   string
	Mirrors []string
	Offline bool
	Color   string
	CPUs    float64
	Memory  string
	GPUs    int    // -1 for all that there are
	Leases  string // of GPUs: a folder, "off", or "" for the usual folder
	// WorkerCache is how much workers may keep on their machine; "" for a share of its disk.
	WorkerCache string
	Remote      remoteSettings

	vars, varFiles []string
	limit          int
}

const varPrefix = "NBPIPE_VAR_"

func (s *settings) flags(f *pflag.FlagSet) {
	f.String("cache", "", "folder of the cache (default: nbpipe in the user's cache folder)")
	f.StringSlice("mirror", nil, "folder that is searched for content by SHA-256 before the network; may be repeated")
	f.Bool("offline", false, "never use the network")
	f.String("color", "auto", "colours: auto, always or never")
	f.Float64("cpus", 0, "cores to use at a time (default: all)")
	f.String("memory", "", "memory to use at a time, such as 16GiB (default: all)")
	f.Int("gpus", 0, "GPUs to use at a time (default: all that nvidia-smi lists; CUDA_VISIBLE_DEVICES limits them)")
	remoteFlags(f)
	f.StringArrayVar(&s.vars, "var", nil, "value of a variable, name=value; may be repeated")
	f.StringArrayVar(&s.varFiles, "var-file", nil, "file of variable values; may be repeated")
	f.IntVar(&s.limit, "limit", 0, "only the first so many samples of each split: short for --var limit=N, in experiments that define that variable")
}

func (s *settings) load(f *pflag.FlagSet) error {
	v := viper.New()
	v.SetConfigName("settings")
	if dir, err := os.UserConfigDir(); err == nil {
		v.AddConfigPath(filepath.Join(dir, "nbpipe"))
		if err := v.ReadInConfig(); err != nil && !errors.As(err, new(viper.ConfigFileNotFoundError)) {
			return fmt.Errorf("the settings file cannot be read: %w", err)
		}
	}
	v.SetEnvPrefix("NBPIPE")
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_", "-", "_"))
	v.AutomaticEnv()
	if err := bind(v, f); err != nil {
		return err
	}
	s.Cache, s.Color, s.Memory, s.Leases = v.GetString("cache"), v.GetString("color"), v.GetString("memory"), v.GetString("gpu_leases")
	if s.Leases != "" && s.Leases != noLeases && !filepath.IsAbs(s.Leases) {
		return fmt.Errorf("the setting gpu_leases is the absolute path of a folder of this machine, or %q, not %q", noLeases, s.Leases)
	}
	// Viper's own getters take what they cannot read for zero.
	var err error
	if s.Offline, err = cast.ToBoolE(v.Get("offline")); err != nil {
		return fmt.Errorf("the setting offline is true or false, not %q", v.GetString("offline"))
	}
	if s.CPUs, err = cast.ToFloat64E(v.Get("cpus")); err != nil || math.IsNaN(s.CPUs) || math.IsInf(s.CPUs, 0) || s.CPUs < 0 {
		return fmt.Errorf("the setting cpus is a number of cores, not %q", v.GetString("cpus"))
	}
	if s.GPUs, err = cast.ToIntE(v.Get("gpus")); err != nil || s.GPUs < 0 {
		return fmt.Errorf("the setting gpus is a number of GPUs, not %q", v.GetString("gpus"))
	}
	if !v.IsSet("gpus") {
		s.GPUs = -1
	}
	if _, err := s.machine(); err != nil {
		return err
	}
	s.WorkerCache = v.GetString("worker_cache")
	if _, err := s.askedWorkerCache(); err != nil {
		return err
	}
	s.Mirrors = folders(f, v)
	if err := s.Remote.load(f, v); err != nil {
		return err
	}
	switch s.Color {
	case "auto", "always", "never":
	default:
		return fmt.Errorf("--color is auto, always or never, not %q", s.Color)
	}
	return s.defaultCache()
}

// bind lets flags of settings go before other sources. A command's own flags are
// no settings: one called remote would hide all of remote.*.
func bind(v *viper.Viper, f *pflag.FlagSet) (err error) {
	known := pflag.NewFlagSet("settings", pflag.ContinueOnError)
	new(settings).flags(known)
	known.VisitAll(func(k *pflag.Flag) {
		err = errors.Join(err, v.BindPFlag(k.Name, f.Lookup(k.Name)))
	})
	return err
}

// folders reads the mirrors; in the environment they are separated as in PATH.
func folders(f *pflag.FlagSet, v *viper.Viper) []string {
	if env, ok := os.LookupEnv("NBPIPE_MIRROR"); ok && !f.Changed("mirror") {
		return filepath.SplitList(env)
	}
	return v.GetStringSlice("mirror")
}

func (s *settings) defaultCache() error {
	if s.Cache != "" {
		return nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return withCode(exitStore, fmt.Errorf("there is no folder for the cache: %w; name one with --cache", err))
	}
	s.Cache = filepath.Join(dir, "nbpipe")
	return nil
}

// environment lists NBPIPE_VAR_* assignments.
func (s *settings) environment() []lang.Assignment {
	var out []lang.Assignment
	for _, e := range os.Environ() {
		name, value, _ := strings.Cut(e, "=")
		if v, ok := strings.CutPrefix(name, varPrefix); ok && v != "" {
			out = append(out, lang.Assignment{Name: v, Value: value, From: name})
		}
	}
	return out
}

// variables lists the assignments of flags, files first.
func (s *settings) variables() ([]lang.Assignment, error) {
	if s.limit < 0 {
		return nil, fmt.Errorf("--limit is a number of samples, or 0 for all, not %d", s.limit)
	}
	var out []lang.Assignment
	for _, f := range s.varFiles {
		out = append(out, lang.Assignment{File: f, From: "--var-file"})
	}
	for _, v := range s.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--var takes name=value, not %q", v)
		}
		out = append(out, lang.Assignment{Name: name, Value: value, From: "--var"})
	}
	if s.limit > 0 {
		out = append(out, lang.Assignment{Name: "limit", Value: strconv.Itoa(s.limit), From: "--limit"})
	}
	return out, nil
}

// machine is what stages may use at a time.
func (s *settings) machine() (run.Machine, error) {
	m := run.Machine{CPUs: s.CPUs, GPUs: sync.OnceValues(s.findGPUs)}
	if m.CPUs == 0 {
		m.CPUs = float64(runtime.GOMAXPROCS(0))
	}
	if s.Memory == "" {
		m.Memory = totalMemory()
		return m, nil
	}
	n, err := stages.ParseBytes(s.Memory)
	if err != nil {
		return m, fmt.Errorf("--memory: %w", err)
	}
	m.Memory = n
	return m, nil
}

// findGPUs lists as many GPUs as were said; of what nvidia-smi does not list, the
// model is not known.
func (s *settings) findGPUs() ([]gpu.Device, error) {
	if s.GPUs == 0 {
		return nil, nil
	}
	found, err := gpu.Find(context.Background(), os.Environ()) // it has a time limit of its own
	if s.GPUs > 0 {
		return gpu.Exactly(found, s.GPUs), nil
	}
	return found, err
}

// workerCache is how many bytes workers may keep in dir. The default leaves half of the
// disk, as it would be without them, to others. A home folder on a file server seems to
// have room without end, so there is a most.
func (s *settings) workerCache(dir string) (int64, error) {
	if n, err := s.askedWorkerCache(); n > 0 || err != nil {
		return n, err
	}
	const most = 100 << 30
	held, err := cache.Size(dir)
	if err != nil {
		return 0, err
	}
	var disk unix.Statfs_t
	for unix.Statfs(dir, &disk) != nil { // it may have to be made yet
		parent := filepath.Dir(dir)
		if parent == dir {
			return most, nil
		}
		dir = parent
	}
	free := int64(disk.Bavail) * int64(disk.Bsize) //nolint:unconvert // its type differs between systems
	return min(most, (free+held)/2), nil
}

// askedWorkerCache is the setting; 0 where there is none.
func (s *settings) askedWorkerCache() (int64, error) {
	if s.WorkerCache == "" {
		return 0, nil
	}
	n, err := stages.ParseBytes(s.WorkerCache)
	if err == nil && n == 0 {
		err = errors.New("it has to be more than nothing")
	}
	if err != nil {
		return 0, fmt.Errorf("the setting worker_cache: %w", err)
	}
	return n, nil
}

const noLeases = "off"

// leases is the folder by which processes of this user share the machine's GPUs; ""
// where they do not. It is the same in every session, so that all of them meet there.
// Within a job of Slurm, GPUs are Slurm's to give, and jobs may share one by its leave.
func (s *settings) leases() string {
	switch {
	case s.Leases == noLeases || os.Getenv("SLURM_JOB_ID") != "":
		return ""
	case s.Leases != "":
		return s.Leases
	}
	return "/tmp/nbpipe-gpus-" + strconv.Itoa(os.Geteuid())
}

func totalMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 1 << 40 // unknown: no limit
	}
	return int64(info.Totalram) * int64(info.Unit)
}
