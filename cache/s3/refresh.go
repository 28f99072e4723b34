package s3

import (
	"context"
	"fmt"
	"time"

	"github.com/minio/minio-go/v7"
)

// maxCopy is S3's limit on what one request copies; larger objects are copied in
// parts of copyPart.
const (
	maxCopy  = 5 << 30
	copyPart = 1 << 30
)

// refresh gives an object of a size the server's present time, by a copy onto itself.
func (s *Store) refresh(ctx context.Context, name string, size int64) error {
	s.at("refresh-before")
	if size > maxCopy {
		return s.refreshParts(ctx, name, size, copyPart)
	}
	return s.writing(ctx, "refreshing "+name, func(ctx context.Context) error {
		// A copy onto itself must change something.
		_, err := s.core.Client.CopyObject(ctx,
			minio.CopyDestOptions{
				Bucket: s.Bucket, Object: s.Prefix + name, ReplaceMetadata: true,
				UserMetadata: map[string]string{"refreshed": s.Now().UTC().Format(time.RFC3339Nano)},
			},
			minio.CopySrcOptions{Bucket: s.Bucket, Object: s.Prefix + name})
		return answer(err)
	})
}

// refreshParts copies an object onto itself in parts: the old one stays until the
// last part is there.
func (s *Store) refreshParts(ctx context.Context, name string, size, part int64) (err error) {
	id, end, err := s.begun(ctx, name)
	if err != nil {
		return err
	}
	defer func() { end(err == nil) }()
	var parts []minio.CompletePart
	for off := int64(0); off < size; off += part {
		number := len(parts) + 1
		err = s.writing(ctx, fmt.Sprintf("refreshing part %d of %s", number, name), func(ctx context.Context) error {
			p, err := s.core.CopyObjectPart(ctx, s.Bucket, s.Prefix+name, s.Bucket, s.Prefix+name, id, number, off, min(part, size-off), nil)
			if err == nil {
				parts = append(parts, p)
			}
			return answer(err)
		})
		if err != nil {
			return err
		}
	}
	return s.writing(ctx, "refreshing "+name, func(ctx context.Context) error {
		_, err := s.core.CompleteMultipartUpload(ctx, s.Bucket, s.Prefix+name, id, parts, putOptions(always))
		return answer(err)
	})
}
