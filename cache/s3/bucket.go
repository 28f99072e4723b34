package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"
)

// create makes the bucket if it is not there and the credentials allow it.
func (b *s3bucket) create(ctx context.Context) error {
	there, err := b.BucketExists(ctx, b.name)
	var r minio.ErrorResponse
	if errors.As(err, &r) && r.StatusCode == http.StatusForbidden {
		return nil // it may be there, and the first request will tell
	}
	if err != nil || there {
		return err
	}
	err = b.MakeBucket(ctx, b.name, minio.MakeBucketOptions{Region: b.region})
	if errors.As(err, &r) && (r.Code == "BucketAlreadyOwnedByYou" || r.Code == "BucketAlreadyExists") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("there is no bucket %s, and it cannot be made: %w", b.name, err)
	}
	return nil
}
