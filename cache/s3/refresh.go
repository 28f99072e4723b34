package s3

import (
	"context"
	"fmt"

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
		return s.objects.refresh(ctx, name, s.Now())
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
			p, err := s.objects.copyPart(ctx, name, id, number, off, min(part, size-off))
			if err == nil {
				parts = append(parts, p)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return s.writing(ctx, "refreshing "+name, func(ctx context.Context) error {
		return s.objects.complete(ctx, name, id, parts, always)
	})
}
