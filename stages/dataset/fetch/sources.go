package fetch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
)

// fetcher tries the sources of one stage in order.
type fetcher struct {
	s      *Stage
	in     *stages.Input
	out    *stages.Output
	want   cache.Digest // zero when unpinned
	size   int64        // -1 when not known
	sink   *sink
	client *client
	name   string // of the file, as its source calls it
	tried  []attempt
}

// attempt is a source that gave nothing, and why.
type attempt struct {
	source string
	err    error
}

// fatal marks errors after which no other source is tried.
type fatal struct{ err error }

func (f *fatal) Error() string { return f.err.Error() }
func (f *fatal) Unwrap() error { return f.err }

func isFatal(err error) bool {
	var f *fatal
	return errors.As(err, &f)
}

func (s *Stage) fetcher(in *stages.Input, out *stages.Output) (*fetcher, error) {
	f := &fetcher{s: s, in: in, out: out, size: -1, client: newClient(s.opts)}
	if s.Size != nil {
		f.size = *s.Size
	}
	if s.SHA256 != "" {
		d, err := cache.ParseDigest(s.SHA256)
		if err != nil {
			return nil, fmt.Errorf("sha256: %w", err)
		}
		f.want = d
	}
	return f, nil
}

// fetch leaves the file in scratch: from a mirror folder, or from a URL.
func (f *fetcher) fetch(ctx context.Context) (*download, error) {
	name := filepath.Join(f.in.Scratch, "download")
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("making the file to download to: %w", err)
	}
	f.sink = &sink{f: file, h: sha256.New()}
	from, err := f.trySources(ctx)
	if cerr := file.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("writing the download: %w", cerr)
	}
	if err != nil {
		_ = os.Remove(name)
		return nil, err
	}
	return &download{path: name, size: f.sink.n, digest: f.sink.digest(), name: f.name, from: from}, nil
}

func (f *fetcher) trySources(ctx context.Context) (from string, err error) {
	for _, dir := range f.in.Services.Mirrors {
		from, err := f.fromFolder(ctx, dir)
		if done, err := f.note(ctx, "mirror folder "+dir, err); done {
			return from, err
		}
	}
	for _, raw := range append([]string{f.s.URL}, f.s.Mirrors...) {
		u, err := url.Parse(raw)
		if err == nil {
			err = f.fromURL(ctx, u)
		}
		if done, err := f.note(ctx, display(raw), err); done {
			return recorded(u), err
		}
	}
	return "", f.failure()
}

// note records why a source gave nothing; done is true when it gave the file,
// or after an error that no other source can heal.
func (f *fetcher) note(ctx context.Context, source string, err error) (done bool, _ error) {
	switch {
	case err == nil:
		return true, nil
	case ctx.Err() != nil:
		return true, context.Cause(ctx)
	case isFatal(err):
		return true, fmt.Errorf("%s: %w", source, err)
	}
	f.tried = append(f.tried, attempt{source, err})
	if f.in.Log != nil {
		_, _ = fmt.Fprintf(f.in.Log, "%s: %v\n", source, err)
	}
	if err := f.sink.reset(); err != nil {
		return true, err
	}
	return false, nil
}

var errOffline = errors.New("the network is off (--offline)")

// failure lists every source with its reason.
func (f *fetcher) failure() error {
	var b strings.Builder
	fmt.Fprintf(&b, "no source gave %s", display(f.s.URL))
	if !f.want.IsZero() {
		fmt.Fprintf(&b, " with sha256 %s", f.want)
	}
	for _, t := range f.tried {
		fmt.Fprintf(&b, "\n  %s: %v", t.source, t.err)
	}
	b.WriteString("\n" + f.remedy())
	return &failure{text: b.String(), tried: f.tried}
}

// failure keeps the errors of the sources for errors.Is and errors.As.
type failure struct {
	text  string
	tried []attempt
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() []error {
	var out []error
	for _, t := range f.tried {
		out = append(out, t.err)
	}
	return out
}

func (f *fetcher) remedy() string {
	for _, t := range f.tried {
		var wrong *digestError
		if errors.As(t.err, &wrong) {
			return "If the data was changed on purpose, correct the sha256: in the file, or, where the file has none, by removing the entry from nbpipe.lock. Nothing was kept."
		}
	}
	return "A copy of the file in a folder is found by its content: --mirror DIR."
}

// fromURL fetches from one URL and checks what came.
func (f *fetcher) fromURL(ctx context.Context, u *url.URL) error {
	if u.Scheme == "file" {
		return f.fromFileURL(ctx, u)
	}
	if f.in.Services.Offline {
		return errOffline
	}
	from, err := f.source(u)
	if err != nil {
		return err
	}
	t := &transfer{client: f.client, source: from, sink: f.sink, size: f.size, pinned: !f.want.IsZero(), total: -1, report: f.report}
	if err := t.run(ctx); err != nil {
		return err
	}
	err = f.verify(t.contentType)
	var wrong *digestError
	if errors.As(err, &wrong) && t.resumed { // the parts may be of different files
		if err := f.sink.reset(); err != nil {
			return err
		}
		t.noRange, t.resumed = true, false
		if err := t.run(ctx); err != nil {
			return err
		}
		err = f.verify(t.contentType)
	}
	f.name = cmp.Or(linkName(u.String()), dispositionName(t.disposition))
	return err
}

// source is whom to ask for what is at a URL.
func (f *fetcher) source(u *url.URL) (source, error) {
	w := web{url: u, pinned: !f.want.IsZero(), redirects: f.client.redirects}
	switch {
	case u.Scheme == "s3":
		name, err := parseObject(u)
		if err != nil {
			return nil, err
		}
		return newObject(name, f.s.S3, f.access()), nil
	case isDrive(u):
		link, err := parseDrive(u)
		if err != nil {
			return nil, err
		}
		return newDrive(link, f.client.drive, w)
	}
	if origin, err := url.Parse(f.s.URL); err == nil && sameOrigin(origin, u) {
		w.headers = f.s.Headers
	}
	return &w, nil
}

func (f *fetcher) fromFileURL(ctx context.Context, u *url.URL) error {
	name, err := filePath(u)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("it is a folder; a dataset is one file: pack it, or use path() for a folder of the experiment")
	case !info.Mode().IsRegular():
		return errors.New("it is no regular file")
	case f.size >= 0 && info.Size() != f.size:
		return &sizeError{got: info.Size(), want: f.size}
	}
	if err := f.copyIn(ctx, name, info.Size()); err != nil {
		return err
	}
	return f.verify("")
}

// copyIn copies a local file to the sink.
func (f *fetcher) copyIn(ctx context.Context, name string, total int64) error {
	src, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	return pump(ctx, f.sink, src, func() { f.report(f.sink.n, total) })
}

func (f *fetcher) report(done, total int64) { f.in.Progress.Report(done, max(total, 0), "bytes") }

// verify compares the sink with what is known of the file.
func (f *fetcher) verify(contentType string) error {
	got := f.sink.digest()
	switch {
	case !f.want.IsZero() && got != f.want:
		return &digestError{got: got, want: f.want, size: f.sink.n, contentType: contentType}
	case f.size >= 0 && f.sink.n != f.size:
		return &sizeError{got: f.sink.n, want: f.size}
	}
	return nil
}

// digestError says that a source has other bytes.
type digestError struct {
	got, want   cache.Digest
	size        int64
	contentType string
}

func (e *digestError) Error() string {
	s := fmt.Sprintf("wrong content: its %d bytes have sha256 %s, not %s", e.size, e.got, e.want)
	if strings.HasPrefix(e.contentType, "text/html") {
		s += " (the server sent a web page: perhaps a log-in or error page)"
	}
	return s
}

// sizeError says that a source has another size than the file states.
type sizeError struct{ got, want int64 }

func (e *sizeError) Error() string {
	return fmt.Sprintf("wrong size: it has %d bytes, size says %d", e.got, e.want)
}

// sink is the growing download and its digest.
type sink struct {
	f *os.File
	h hash.Hash
	n int64
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.f.Write(p)
	s.h.Write(p[:n])
	s.n += int64(n)
	if err != nil {
		return n, &fatal{fmt.Errorf("writing the download: %w", err)}
	}
	return n, nil
}

func (s *sink) reset() error {
	if s.n == 0 {
		return nil
	}
	s.h.Reset()
	s.n = 0
	if err := s.f.Truncate(0); err != nil {
		return &fatal{fmt.Errorf("emptying the download: %w", err)}
	}
	if _, err := s.f.Seek(0, io.SeekStart); err != nil {
		return &fatal{fmt.Errorf("emptying the download: %w", err)}
	}
	return nil
}

func (s *sink) digest() cache.Digest { return cache.Digest(s.h.Sum(nil)) }

// pump copies src to dst in pieces, with a call after each.
func pump(ctx context.Context, dst io.Writer, src io.Reader, after func()) error {
	buf := make([]byte, 256<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				return werr
			}
			after()
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
}
