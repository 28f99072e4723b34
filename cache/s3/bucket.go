package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"
)

// makeBucket makes the bucket if it is not there and the credentials allow it.
func (c *client) makeBucket(ctx context.Context) error {
	var there bool
	err := c.do(ctx, "looking for bucket "+c.Bucket, func(ctx context.Context) (err error) {
		there, err = c.core.BucketExists(ctx, c.Bucket)
		return err
	})
	var r minio.ErrorResponse
	if errors.As(err, &r) && r.StatusCode == http.StatusForbidden {
		return nil // it may be there, and the first request will tell
	}
	if err != nil || there {
		return err
	}
	err = c.do(ctx, "making bucket "+c.Bucket, func(ctx context.Context) error {
		return c.core.MakeBucket(ctx, c.Bucket, minio.MakeBucketOptions{Region: c.Region})
	})
	if errors.As(err, &r) && (r.Code == "BucketAlreadyOwnedByYou" || r.Code == "BucketAlreadyExists") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("there is no bucket %s, and it cannot be made: %w", c.Bucket, err)
	}
	return nil
}
