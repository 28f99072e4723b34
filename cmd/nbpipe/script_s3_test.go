package main

import (
	"context"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nbpipe/nbpipe/cache/s3test"
)

// put-object BUCKET KEY FILE stores a file as an object, in a bucket that is made
// if need be.
func putObject(t testing.TB, server *s3test.Server) func(*testscript.TestScript, bool, []string) {
	client := server.Client(t)
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 3 {
			ts.Fatalf("usage: put-object BUCKET KEY FILE")
		}
		ctx, bucket := context.Background(), args[0]
		there, err := client.BucketExists(ctx, bucket)
		ts.Check(err)
		if !there {
			ts.Check(client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{Region: server.Region}))
		}
		content := ts.ReadFile(args[2])
		_, err = client.PutObject(ctx, bucket, args[1], strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{DisableContentSha256: true})
		ts.Check(err)
	}
}
