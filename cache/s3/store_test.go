package s3

import (
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/cache/storetest"
)

// config is that of a fresh bucket, or a fresh prefix of one.
func config(t testing.TB, server *s3test.Server) Config {
	t.Helper()
	return Config{
		Endpoint: server.Endpoint, Insecure: true, Region: server.Region, Bucket: server.Bucket(t), Prefix: "team/cache", Style: "path",
		Credentials: credentials.NewStaticV4(server.AccessKey, server.SecretKey, ""),
		Dir:         t.TempDir(), Temp: t.TempDir(), Timeout: 10 * time.Second,
		Event: func(m string) { t.Log(m) },
	}
}

func initTest(t testing.TB, c Config) *Store {
	t.Helper()
	s, err := Init(t.Context(), c, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// servers are those that tests of the store's contract run against.
var servers = map[string]func(testing.TB) *s3test.Server{"fake": s3test.Fake, "minio": s3test.MinIO, "versitygw": s3test.VersityGW}

func TestStore(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			storetest.Run(t, func(t *testing.T) cache.Store { return initTest(t, config(t, server)) })
		})
	}
}
