package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/stages"
)

// Local runs actions in this process.
type Local struct {
	Store    *cache.Local
	Scratch  string // existing folder on the store's file system, private to this run
	LogDir   string // where logs of failed stages are kept
	Resume   string // where stages that were cut off go on from, by key; "" to start anew each time
	Services stages.Services
	Now      func() time.Time
	// Measure, where set, is asked after each run what it used; that goes into the
	// record's facts.
	Measure func() map[string]string

	attempts atomic.Int64
}

// Execute implements Executor.
func (l *Local) Execute(ctx context.Context, a *Action, progress stages.Progress) (*Result, error) {
	kept, err := l.keep(a)
	if err != nil {
		return nil, err
	}
	defer kept.close()
	limited, cancel := limit(ctx, a.Resources.Time)
	defer cancel()
	entry, pins, err := l.attempt(limited, a, kept, progress)
	if err != nil {
		return nil, err
	}
	// The limit is on the stage's time: what is finished is kept.
	if _, err := l.Store.Publish(context.WithoutCancel(ctx), entry); err != nil {
		return nil, &StoreFailure{err}
	}
	kept.remove()
	return &Result{Entry: entry, Pins: pins}, nil
}

// Rerun implements Executor.
func (l *Local) Rerun(ctx context.Context, a *Action, progress stages.Progress) (*cache.Entry, error) {
	entry, _, err := l.attempt(ctx, a, nil, progress) // from the beginning: it is to be compared
	return entry, err
}

// attempt runs the action in a scratch folder of its own and stores what it
// made, up to but not including the entry.
func (l *Local) attempt(ctx context.Context, a *Action, kept *resume, progress stages.Progress) (*cache.Entry, map[string]string, error) {
	stage, err := a.Ingredients.Kind.Fill(a.Ingredients.Attrs)
	if err != nil {
		return nil, nil, err
	}
	for name, nodes := range a.Ingredients.Nodes {
		a.Ingredients.Kind.SetNodes(stage, name, nodes)
	}
	if err := l.takeSources(ctx, a); err != nil {
		return nil, nil, err
	}
	n := strconv.FormatInt(l.attempts.Add(1), 10)
	scratch := filepath.Join(l.Scratch, n)
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return nil, nil, fmt.Errorf("making a scratch folder: %w", err)
	}
	defer removeAll(scratch)
	log := newLog(filepath.Join(l.Scratch, n+".log"))
	defer log.discard()
	in := l.input(a, scratch, log, progress)
	if a.Log != nil {
		in.Log = io.MultiWriter(log, a.Log)
	}
	if a.Ingredients.Kind.Resumes {
		if in.Resume, err = kept.folder(filepath.Join(l.Scratch, n+".resume")); err != nil {
			return nil, nil, err
		}
		defer removeAll(filepath.Join(l.Scratch, n+".resume"))
	}

	started := l.Now()
	out := stages.NewOutput()
	err = runStage(ctx, stage, in, out)
	seconds := l.Now().Sub(started).Seconds()
	if err != nil {
		return nil, nil, l.failure(ctx, a, log, err)
	}
	if err := l.checkSources(ctx, a); err != nil {
		return nil, nil, err
	}
	entry, err := l.collect(ctx, a, scratch, log, out)
	if err != nil {
		return nil, nil, err
	}
	entry.Record.Started, entry.Record.Seconds = started.UTC().Truncate(time.Millisecond), seconds
	entry.Record.Facts = l.facts(a, out)
	return entry, out.Pins, nil
}

// facts are the stage's own, those of its GPUs, and what it used.
func (l *Local) facts(a *Action, out *stages.Output) map[string]string {
	all := maps.Clone(out.Facts)
	if l.Measure != nil {
		maps.Copy(all, l.Measure())
		maps.Copy(all, asked(a.Resources))
	}
	maps.Copy(all, gpu.Facts(a.GPUs))
	return all
}

// asked are the resources that a node asked for, as facts beside what it used.
func asked(r stages.Resources) map[string]string {
	out := map[string]string{}
	for name, n := range map[string]float64{"cpus": r.CPUs, "memory": float64(r.Memory), "gpus": float64(r.GPUs), "seconds": float64(r.Time)} {
		if n > 0 {
			out["asked."+name] = strconv.FormatFloat(n, 'f', -1, 64)
		}
	}
	if r.Exclusive {
		out["asked.exclusive"] = "1"
	}
	return out
}

func (l *Local) input(a *Action, scratch string, log io.Writer, progress stages.Progress) *stages.Input {
	services := l.Services
	if len(a.GPUs) > 0 {
		services.Environment = gpu.Environment(services.Environment, a.GPUs)
	}
	return &stages.Input{
		Address: a.Address, Scratch: scratch, Seed: seedOf(a.Ingredients.Attrs),
		CPUs: max(1, int(a.Resources.CPUs)), Limits: a.Resources, GPUs: gpu.IDs(a.GPUs), Services: services, Log: log, Progress: progress,
		Store: inputStore{l.Store}, Probes: a.Ingredients.Probes,
	}
}

// DefaultSeed is the seed of stages that were given none.
const DefaultSeed = 777

func seedOf(attrs stages.Attrs) uint64 {
	v, ok := attrs["seed"]
	if !ok || v.IsNull() || !v.IsKnown() || v.Type() != cty.Number {
		return DefaultSeed
	}
	n, _ := v.AsBigFloat().Uint64()
	return n
}

// runStage turns a panic of a stage into its failure: other stages go on.
func runStage(ctx context.Context, s stages.Stage, in *stages.Input, out *stages.Output) (err error) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(in.Log, "panic: %v\n%s", r, debug.Stack())
			err = fmt.Errorf("the stage broke off by a programming error of nbpipe, please report it with the log: %v", r)
		}
	}()
	return s.Run(ctx, in, out)
}

func (l *Local) failure(ctx context.Context, a *Action, log *stageLog, err error) error {
	if _, lost := Lost(err); lost {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return cause
	}
	path := filepath.Join(l.LogDir, FileName(a.Address)+".log")
	if e := log.keep(path); e != nil || log.size() == 0 {
		path = ""
	}
	f := &Failure{Err: err, LogTail: log.tail(), LogPath: path}
	var program interface{ ExitCode() int }
	if errors.As(err, &program) {
		if code := program.ExitCode(); code >= 0 {
			f.Exit = &code
		}
	}
	return f
}

func (l *Local) takeSources(ctx context.Context, a *Action) error {
	return TakeSources(ctx, l.Store, a)
}

// TakeSources stores the experiment's own files that the action reads, and
// checks that they still are what the key says.
func TakeSources(ctx context.Context, store *cache.Local, a *Action) error {
	for _, f := range sources(a) {
		if has, err := store.HasBlob(ctx, f.Digest); err != nil || (has && !f.Tree) {
			if err != nil {
				return err
			}
			continue
		}
		o, err := store.Ingest(ctx, f.Source)
		if err != nil {
			return fmt.Errorf("reading input %s: %w", f.Source, err)
		}
		if !same(o, f.Object) {
			return &InputChanged{Path: f.Source}
		}
	}
	return nil
}

func (l *Local) checkSources(ctx context.Context, a *Action) error {
	for _, f := range sources(a) {
		o, err := l.Store.HashPath(ctx, f.Source)
		if err != nil || !same(o, f.Object) {
			return &InputChanged{Path: f.Source}
		}
	}
	return nil
}

// same compares content and form, as a key does.
func same(a, b cache.Object) bool {
	return a.Digest == b.Digest && a.Tree == b.Tree && a.Exec == b.Exec
}

func sources(a *Action) []stages.File {
	return slices.DeleteFunc(Inputs(a), func(f stages.File) bool { return f.Source == "" })
}

// Inputs are the files that the action reads, also those of its attributes that are
// no part of the key.
func Inputs(a *Action) []stages.File {
	var out []stages.File
	for i := range a.Ingredients.Kind.Attributes {
		v, ok := a.Ingredients.Attrs[a.Ingredients.Kind.Attributes[i].Name]
		if !ok || v.IsMarked() {
			continue
		}
		stages.Files(v, func(f stages.File) { out = append(out, f) })
	}
	return out
}

// collect stores what a stage made and describes it in an entry.
func (l *Local) collect(ctx context.Context, a *Action, scratch string, log *stageLog, out *stages.Output) (*cache.Entry, error) {
	values, objects, err := l.outputs(ctx, a, scratch, out)
	if err != nil {
		return nil, err
	}
	raw, err := stages.EncodeJSON(cty.ObjectVal(values))
	if err != nil {
		return nil, fmt.Errorf("outputs: %w", err)
	}
	ingredients := a.Ingredients.Pin(out.Pins)
	pre, err := ingredients.Preimage()
	if err != nil {
		return nil, err
	}
	key := pre.Key()
	if !a.Key.IsZero() && key != a.Key {
		return nil, fmt.Errorf("the key changed while the stage ran, from %s to %s", a.Key.Short(), key.Short())
	}
	entry := &cache.Entry{
		Key: key, Kind: a.Ingredients.Kind.Name(), Outputs: raw, Objects: objects, Preimage: pre.Bytes(),
		Record: cache.Record{Build: a.Build, Why: a.Why, Metrics: out.Metrics, Warnings: out.Warnings, Facts: out.Facts},
	}
	if log.size() > 0 {
		o, err := l.Store.Ingest(ctx, log.path)
		if err != nil {
			return nil, &StoreFailure{err}
		}
		entry.Record.Log = &o
	}
	return entry, nil
}

func (l *Local) outputs(ctx context.Context, a *Action, scratch string, out *stages.Output) (map[string]cty.Value, []cache.Object, error) {
	values := make(map[string]cty.Value, len(a.Outputs))
	var objects []cache.Object
	for _, name := range sortedNames(a.Outputs) {
		v, ok := out.Values[name]
		if f, isFile := out.Files[name]; isFile {
			o, err := l.ingestOutput(ctx, scratch, f)
			if err != nil {
				return nil, nil, fmt.Errorf("output %s: %w", name, err)
			}
			v, ok = fileValue(f, o), true
		}
		if !ok {
			return nil, nil, fmt.Errorf("the stage made no output %q", name)
		}
		v, err := convert.Convert(v, a.Outputs[name])
		if err != nil {
			return nil, nil, fmt.Errorf("output %s: %w", name, err)
		}
		values[name] = v
		stages.Files(v, func(f stages.File) { objects = append(objects, f.Object) })
	}
	return values, uniqueObjects(objects), nil
}

func (l *Local) ingestOutput(ctx context.Context, scratch string, f stages.OutputFile) (cache.Object, error) {
	if rel, err := filepath.Rel(scratch, f.Path); err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return cache.Object{}, fmt.Errorf("%s lies outside the stage's scratch folder", f.Path)
	}
	return l.Store.Ingest(ctx, f.Path)
}

func fileValue(f stages.OutputFile, o cache.Object) cty.Value {
	file := stages.File{Object: o, Name: f.Name}
	if f.Table {
		return stages.TableValue(stages.Table{File: file})
	}
	return stages.FileValue(file)
}

func uniqueObjects(all []cache.Object) []cache.Object {
	slices.SortFunc(all, func(a, b cache.Object) int { return slices.Compare(a.Digest[:], b.Digest[:]) })
	return slices.Compact(all)
}

func sortedNames(m map[string]cty.Type) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// FileName makes an address usable as a file name, another one for each address.
func FileName(address string) string {
	clean := func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|[]`, r) || r < ' ' {
			return '_'
		}
		return r
	}
	const most = 120 // bytes; systems take 255
	s := strings.Map(clean, address)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	if s != address {
		s += "-" + cache.DigestOf([]byte(address)).Short()
	}
	return s
}

// removeAll removes a scratch folder, also below folders without write permission.
func removeAll(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(dir)
}

// inputStore gives stages their inputs and names the input that is lost.
type inputStore struct{ store *cache.Local }

func (s inputStore) ReadAll(ctx context.Context, f stages.File) ([]byte, error) {
	b, err := s.store.ReadAll(ctx, f.Digest, f.Size)
	return b, lostOr(f, err)
}

func (s inputStore) Open(ctx context.Context, f stages.File) (io.ReadCloser, error) {
	r, _, err := s.store.OpenBlob(ctx, f.Digest)
	if err != nil {
		return nil, lostOr(f, err)
	}
	return &inputReader{r, f}, nil
}

func (s inputStore) Materialise(ctx context.Context, f stages.File, dest string) error {
	return lostOr(f, s.store.Restore(ctx, f.Object, dest))
}

type inputReader struct {
	io.ReadCloser
	file stages.File
}

func (r *inputReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = lostOr(r.file, err)
	}
	return n, err
}

func lostOr(f stages.File, err error) error {
	if err != nil && cache.IsMissing(err) {
		return &LostInput{File: f, Err: err}
	}
	return err
}
