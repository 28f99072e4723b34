package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/dataset/archive"
)

// Kind is `dataset "fetch"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "dataset", Type: "fetch", Version: 1, Reproducible: true,
	Doc: "Fetches a file by URL, checks its SHA-256, and unpacks it if asked to.",
	Outputs: map[string]string{
		"file":   "The download, or what was unpacked from it.",
		"sha256": "SHA-256 of the download, hexadecimal.",
		"size":   "Bytes of the download.",
	},
})

// Stage is one fetch.
type Stage struct {
	URL     string            `attr:"url" doc:"Where the file is: http, https, s3://bucket/key, the link of a file on Google Drive, or file with an absolute path."`
	Mirrors []string          `attr:"mirrors,optional" doc:"Other URLs of the same bytes, tried in order after url."`
	SHA256  string            `attr:"sha256,key,optional,lower" doc:"SHA-256 of the download in 64 hexadecimal digits. Without it, the first run records it in nbpipe.lock."`
	Size    *int64            `attr:"size,optional" doc:"Size of the download in bytes, to notice a wrong file early."`
	Unpack  bool              `attr:"unpack,key" default:"false" doc:"Unpack the download: tar and zip become a folder, a gz, bz2 or zst file becomes the file in it."`
	Strip   int               `attr:"strip_components,key" default:"0" doc:"Leading folders to remove from the names in the archive."`
	Member  string            `attr:"member,key,optional" doc:"Take this one file or folder of the archive (named as after strip_components). Implies unpack."`
	S3      *S3               `attr:"s3,optional" doc:"Where the buckets of s3:// URLs are: { endpoint, region, style, insecure }. Amazon by default. Credentials are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws/credentials or the machine's role; none are needed for public buckets."`
	Headers map[string]string `attr:"headers,optional,sensitive" doc:"HTTP headers for the server of url, such as Authorization. Sent to no other."`
	Licence string            `attr:"licence,optional" doc:"Licence of the data, for reports."`
	Name    string            `attr:"name,optional" doc:"File name of the result. The last part of url by default."`

	opts *options // of tests
}

// OutputTypes implements stages.Stage: file is the download, or what was
// unpacked from it; sha256 and size are those of the download.
func (*Stage) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{"file": stages.FileType, "sha256": cty.String, "size": cty.Number}
}

// LockSource implements stages.Locked.
func (s *Stage) LockSource() (source, attribute string, unpinned bool) {
	source = display(s.URL)
	if s.S3 != nil && s.S3.Endpoint != "" && strings.HasPrefix(s.URL, "s3:") {
		source += " at " + s.S3.Endpoint // another server's bucket is another one
	}
	return source, "sha256", s.SHA256 == ""
}

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	f, err := s.fetcher(in, out)
	if err != nil {
		return err
	}
	defer f.client.close()
	got, err := f.fetch(ctx)
	if err != nil {
		return explain(err)
	}
	if s.SHA256 == "" {
		out.Pins["sha256"] = got.digest.String()
	}
	out.Set("sha256", cty.StringVal(got.digest.String()))
	out.Set("size", cty.NumberIntVal(got.size))
	out.Metrics["bytes_fetched"] = float64(got.size)
	out.Facts["source"] = got.from
	if s.Licence != "" {
		out.Facts["licence"] = s.Licence
	}
	if !s.Unpack && s.Member == "" {
		out.SetFile("file", got.path, s.fileName(got))
		return nil
	}
	return explain(s.unpack(ctx, in, out, got))
}

func (s *Stage) unpack(ctx context.Context, in *stages.Input, out *stages.Output, got *download) error {
	src, err := os.Open(got.path)
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	defer func() { _ = src.Close() }()
	member := ""
	if s.Member != "" {
		member = path.Clean(s.Member)
	}
	dest := filepath.Join(in.Scratch, "unpacked")
	res, err := archive.Unpack(ctx, src, got.size, dest, archive.Options{
		Strip: s.Strip, Member: member,
		Progress: func(read int64) { in.Progress.Report(read, got.size, "bytes") },
	})
	if err != nil {
		return fmt.Errorf("%s (sha256 %s): %w", got.from, got.digest.Short(), err)
	}
	_ = os.Remove(got.path)
	out.Metrics["members"] = float64(res.Members)
	out.Metrics["bytes_unpacked"] = float64(res.Bytes)
	name := s.fileName(got)
	switch {
	case member != "":
		dest = filepath.Join(dest, filepath.FromSlash(member))
		if s.Name == "" {
			name = path.Base(member)
		}
	case s.Name == "":
		name = withoutPacking(name)
	}
	out.SetFile("file", dest, name)
	return nil
}

// fileName is the name for people: part of no key.
func (s *Stage) fileName(got *download) string {
	return cmp.Or(s.Name, linkName(s.URL), got.name, "download")
}

// withoutPacking removes the endings of archives from a file name.
func withoutPacking(name string) string {
	for _, end := range []string{".gz", ".bz2", ".zst", ".zip", ".tgz", ".tbz2", ".tar"} {
		if rest, ok := strings.CutSuffix(name, end); ok && rest != "" {
			name = rest
		}
	}
	return name
}

// explain adds the remedy to errors of the machine.
func explain(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: the disk of the scratch folder is full; free space on it, or choose another with --cache", err)
	case errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: your quota on the disk of the scratch folder is used up", err)
	}
	return err
}

// download is a file in scratch whose digest was checked, or computed.
type download struct {
	path   string
	size   int64
	digest cache.Digest
	name   string // as its source calls it; may be empty
	from   string // for messages and the record: no absolute path, no credentials
}
