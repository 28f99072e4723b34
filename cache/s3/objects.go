package s3

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// objects is what keeps a store's objects: a bucket, or a folder that several
// machines share. Each call is one request, without attempts of its own. Names lie
// below the store's place. Errors are errExists, errNotFound, errShort, or what the
// server said.
type objects interface {
	// place names it, for people.
	place() string
	// create makes it, if it is not there and that is allowed.
	create(ctx context.Context) error
	// open reads n bytes from an offset on; n < 0 reads to the end.
	open(ctx context.Context, name string, off, n int64) (io.ReadCloser, info, error)
	head(ctx context.Context, name string) (info, error)
	// put stores exactly n bytes in one step.
	put(ctx context.Context, name string, r io.Reader, n int64, when condition) (info, error)
	// page lists up to n objects of a prefix whose names come after a given one, in
	// the order of their bytes; more says that there may be others.
	page(ctx context.Context, prefix, after string, n int) (out []info, more bool, err error)
	remove(ctx context.Context, name string) error
	// refresh gives an object of at most maxCopy bytes the server's present time.
	refresh(ctx context.Context, name string, now time.Time) error

	// An upload by parts: nobody sees anything of it before it is completed.
	begin(ctx context.Context, name string) (id string, err error)
	part(ctx context.Context, name, id string, number int, r io.Reader, n int64) (minio.CompletePart, error)
	copyPart(ctx context.Context, name, id string, number int, off, n int64) (minio.CompletePart, error)
	complete(ctx context.Context, name, id string, parts []minio.CompletePart, when condition) error
	abort(ctx context.Context, name, id string) error
	// unfinished lists uploads that were begun, a page at a time; next is "" after
	// the last one.
	unfinished(ctx context.Context, marker string) (found []openUpload, next string, err error)
}

// openUpload is an upload that was begun and not completed.
type openUpload struct {
	name, id string
	begun    time.Time
}

// s3bucket keeps objects in a bucket of an S3-compatible service.
type s3bucket struct {
	*minio.Core
	name, prefix, endpoint, region string
}

func (b *s3bucket) place() string {
	return "s3://" + b.name + "/" + strings.TrimSuffix(b.prefix, "/") + " on " + b.endpoint
}

func (b *s3bucket) open(ctx context.Context, name string, off, n int64) (io.ReadCloser, info, error) {
	var o minio.GetObjectOptions
	if off > 0 || n >= 0 {
		end := int64(0)
		if n >= 0 {
			end = off + n - 1
		}
		if err := o.SetRange(off, end); err != nil {
			return nil, info{}, err
		}
	}
	r, got, header, err := b.GetObject(ctx, b.name, b.prefix+name, o)
	if err != nil {
		return nil, info{}, answer(err)
	}
	if total, ok := totalSize(header); ok && n >= 0 && off+n > total {
		_ = r.Close()
		return nil, info{}, errShort
	}
	return r, info{name: name, size: got.Size, modified: got.LastModified, etag: got.ETag}, nil
}

func (b *s3bucket) head(ctx context.Context, name string) (info, error) {
	got, err := b.StatObject(ctx, b.name, b.prefix+name, minio.StatObjectOptions{})
	return info{name: name, size: got.Size, modified: got.LastModified, etag: got.ETag}, answer(err)
}

func (b *s3bucket) put(ctx context.Context, name string, r io.Reader, n int64, when condition) (info, error) {
	got, err := b.PutObject(ctx, b.name, b.prefix+name, r, n, "", "", putOptions(when))
	return info{name: name, size: n, modified: got.LastModified, etag: got.ETag}, answer(err)
}

func (b *s3bucket) page(ctx context.Context, prefix, after string, n int) (out []info, more bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true, MaxKeys: n}
	if after != "" {
		o.StartAfter = b.prefix + after
	}
	for obj := range b.ListObjectsIter(ctx, b.name, o) {
		if obj.Err != nil {
			return nil, false, answer(obj.Err)
		}
		out = append(out, info{name: strings.TrimPrefix(obj.Key, b.prefix), size: obj.Size, modified: obj.LastModified, etag: obj.ETag})
		if len(out) == n {
			return out, true, nil
		}
	}
	return out, false, nil
}

func (b *s3bucket) remove(ctx context.Context, name string) error {
	return answer(b.RemoveObject(ctx, b.name, b.prefix+name, minio.RemoveObjectOptions{}))
}

func (b *s3bucket) refresh(ctx context.Context, name string, now time.Time) error {
	// A copy onto itself must change something.
	_, err := b.Client.CopyObject(ctx,
		minio.CopyDestOptions{
			Bucket: b.name, Object: b.prefix + name, ReplaceMetadata: true,
			UserMetadata: map[string]string{"refreshed": now.UTC().Format(time.RFC3339Nano)},
		},
		minio.CopySrcOptions{Bucket: b.name, Object: b.prefix + name})
	return answer(err)
}

func (b *s3bucket) begin(ctx context.Context, name string) (string, error) {
	id, err := b.NewMultipartUpload(ctx, b.name, b.prefix+name, putOptions(always))
	return id, answer(err)
}

func (b *s3bucket) part(ctx context.Context, name, id string, number int, r io.Reader, n int64) (minio.CompletePart, error) {
	p, err := b.PutObjectPart(ctx, b.name, b.prefix+name, id, number, r, n, minio.PutObjectPartOptions{DisableContentSha256: true})
	return minio.CompletePart{PartNumber: number, ETag: p.ETag}, answer(err)
}

func (b *s3bucket) copyPart(ctx context.Context, name, id string, number int, off, n int64) (minio.CompletePart, error) {
	p, err := b.CopyObjectPart(ctx, b.name, b.prefix+name, b.name, b.prefix+name, id, number, off, n, nil)
	return p, answer(err)
}

func (b *s3bucket) complete(ctx context.Context, name, id string, parts []minio.CompletePart, when condition) error {
	_, err := b.CompleteMultipartUpload(ctx, b.name, b.prefix+name, id, parts, putOptions(when))
	return answer(err)
}

func (b *s3bucket) abort(ctx context.Context, name, id string) error {
	return answer(b.AbortMultipartUpload(ctx, b.name, b.prefix+name, id))
}

func (b *s3bucket) unfinished(ctx context.Context, marker string) (found []openUpload, next string, err error) {
	key, id, _ := strings.Cut(marker, "\x00")
	r, err := b.ListMultipartUploads(ctx, b.name, b.prefix, key, id, "", 1000)
	if err != nil {
		return nil, "", answer(err)
	}
	for _, u := range r.Uploads {
		found = append(found, openUpload{strings.TrimPrefix(u.Key, b.prefix), u.UploadID, u.Initiated})
	}
	if r.IsTruncated {
		next = r.NextKeyMarker + "\x00" + r.NextUploadIDMarker
	}
	return found, next, nil
}

// totalSize reads the length of the whole object from an answer that is a part of it.
func totalSize(h http.Header) (int64, bool) {
	_, total, ok := strings.Cut(h.Get("Content-Range"), "/")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(total, 10, 64)
	return n, err == nil
}
