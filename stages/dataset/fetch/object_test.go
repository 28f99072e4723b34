package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/stages"
)

// as are options with these credentials; none if the key is empty.
func as(key, secret string) *options {
	o, _ := quick()
	o.credentials = func() *credentials.Credentials { return credentials.NewStaticV4(key, secret, "") }
	return o
}

func at(s *s3test.Server) *S3 { return &S3{Endpoint: s.Endpoint, Insecure: true} }

func put(t *testing.T, s *s3test.Server, bucket, key, content string) minio.UploadInfo {
	t.Helper()
	info, err := s.Client(t).PutObject(t.Context(), bucket, key, strings.NewReader(content), int64(len(content)),
		minio.PutObjectOptions{DisableContentSha256: true})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// servers are those that S3 downloads are tested on.
func servers(t *testing.T, f func(t *testing.T, s *s3test.Server)) {
	for name, start := range map[string]func(testing.TB) *s3test.Server{"fake": s3test.Fake, "minio": s3test.MinIO, "versitygw": s3test.VersityGW} {
		t.Run(name, func(t *testing.T) { f(t, start(t)) })
	}
}

func TestObject(t *testing.T) {
	servers(t, func(t *testing.T, s *s3test.Server) {
		bucket := s.Bucket(t)
		for _, key := range []string{"data.bin", "deep/er/a+b &=@(1)'é.bin"} {
			put(t, s, bucket, key, body)
			link := (&url.URL{Scheme: "s3", Host: bucket, Path: "/" + key}).String()
			stage := &Stage{URL: link, S3: at(s), opts: as(s.AccessKey, s.SecretKey)}
			if source, _, _ := stage.LockSource(); source != link+" at "+s.Endpoint {
				t.Errorf("LockSource = %s", source)
			}
			r := run(t, stage, stages.Services{})
			if r.err != nil || r.content != body || r.out.Pins["sha256"] != sha(body) {
				t.Fatalf("%s: error %v, %d bytes, pins %v", link, r.err, len(r.content), r.out.Pins)
			}
			if r.out.Facts["source"] != link || !strings.HasSuffix(key, r.out.Files["file"].Name) {
				t.Errorf("%s: %+v", link, r.out)
			}
		}
		missing := run(t, &Stage{URL: "s3://" + bucket + "/nowhere", S3: at(s), opts: as(s.AccessKey, s.SecretKey)}, stages.Services{})
		wantError(t, missing.err, `there is no object "nowhere" in bucket "`+bucket+`" at `+s.Endpoint, "aws s3 ls")
		missing = run(t, &Stage{URL: "s3://no-such-bucket/x", S3: at(s), opts: as(s.AccessKey, s.SecretKey)}, stages.Services{})
		wantError(t, missing.err, `there is no bucket "no-such-bucket" at `+s.Endpoint, "endpoint")
		offline := run(t, &Stage{URL: "s3://" + bucket + "/data.bin", S3: at(s), opts: noLookup(t)}, stages.Services{Offline: true})
		wantError(t, offline.err, "the network is off (--offline)")
		mirror := run(t, &Stage{URL: "file:///no/such", Mirrors: []string{"s3://" + bucket + "/data.bin"}, S3: at(s), opts: as(s.AccessKey, s.SecretKey)}, stages.Services{})
		if mirror.err != nil || mirror.content != body || mirror.out.Files["file"].Name != "such" {
			t.Errorf("mirror: error %v, %+v", mirror.err, mirror.out)
		}
	})
}

// noLookup are options that fail the test when credentials are looked for.
func noLookup(t *testing.T) *options {
	o, _ := quick()
	o.credentials = func() *credentials.Credentials {
		t.Error("credentials were looked for")
		return credentials.NewStaticV4("", "", "")
	}
	return o
}

// TestI21_RefusedCredentials: what everybody may read is read with wrong
// credentials, too; what nobody may says both refusals and no secret.
func TestI21_RefusedCredentials(t *testing.T) {
	s := s3test.MinIO(t)
	public, private := s.Bucket(t), s.Bucket(t)
	put(t, s, public, "data.bin", body)
	put(t, s, private, "data.bin", body)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::` + public + `/*"]}]}`
	if err := s.Client(t).SetBucketPolicy(t.Context(), public, policy); err != nil {
		t.Fatal(err)
	}
	stranger, strangersSecret := s.User(t, "stranger", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::elsewhere/*"]}]}`)
	tests := map[string]struct {
		key, secret string
		want        string // of the private bucket
	}{
		"unknown key":  {"AKIAHUNTER2", "hunter2", "with the credentials found (InvalidAccessKeyId) and without (AccessDenied)"},
		"wrong secret": {s.AccessKey, "hunter2", "with the credentials found (SignatureDoesNotMatch) and without (AccessDenied)"},
		"no right":     {stranger, strangersSecret, "with the credentials found (AccessDenied) and without (AccessDenied)"},
		"none":         {"", "", "without credentials (AccessDenied), and none were found: set AWS_ACCESS_KEY_ID"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := run(t, &Stage{URL: "s3://" + public + "/data.bin", S3: at(s), opts: as(tt.key, tt.secret)}, stages.Services{})
			if r.err != nil || r.content != body {
				t.Errorf("public: error %v", r.err)
			}
			r = run(t, &Stage{URL: "s3://" + private + "/data.bin", S3: at(s), opts: as(tt.key, tt.secret)}, stages.Services{})
			wantError(t, r.err, tt.want, "s3:GetObject")
			if text := r.err.Error(); tt.key != "" && (strings.Contains(text, tt.key) || strings.Contains(text, tt.secret)) {
				t.Errorf("a credential in an error: %s", text)
			}
		})
	}
}

func TestObjectVersions(t *testing.T) {
	s := s3test.MinIO(t)
	bucket := s.Bucket(t)
	if err := s.Client(t).EnableVersioning(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	old := put(t, s, bucket, "data.bin", "the old one").VersionID
	put(t, s, bucket, "data.bin", "the new one")
	for query, want := range map[string]string{"": "the new one", "?versionId=" + old: "the old one"} {
		r := run(t, &Stage{URL: "s3://" + bucket + "/data.bin" + query, S3: at(s), opts: as(s.AccessKey, s.SecretKey)}, stages.Services{})
		if r.err != nil || r.content != want || r.out.Files["file"].Name != "data.bin" {
			t.Errorf("%q: error %v, %q", query, r.err, r.content)
		}
	}
	for _, version := range []string{"7d1b2c3e-0000-4000-8000-000000000000", "x"} {
		r := run(t, &Stage{URL: "s3://" + bucket + "/data.bin?versionId=" + version, S3: at(s), opts: as(s.AccessKey, s.SecretKey)}, stages.Services{})
		wantError(t, r.err, `has no version "`+version+`"`)
	}
}

// A download goes on where its connection was cut: the bytes that came twice
// are few.
func TestObjectCutConnections(t *testing.T) {
	s := s3test.MinIO(t)
	bucket := s.Bucket(t)
	b := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	content := string(b)
	put(t, s, bucket, "data.bin", content)
	proxy := s3test.NewProxy(t, s)
	var gets atomic.Int32
	proxy.Set(s3test.Faults{Seed: 1, Script: func(r s3test.Request) s3test.Kind {
		if n := gets.Add(1); n <= 4 {
			return s3test.CutDownload
		}
		return s3test.None
	}})
	opts := as(s.AccessKey, s.SecretKey)
	moved := &counting{base: opts.transport}
	opts.transport = moved
	size := int64(len(content))
	r := run(t, &Stage{URL: "s3://" + bucket + "/data.bin", Size: &size, S3: at(&proxy.Server), opts: opts}, stages.Services{})
	if r.err != nil || r.content != content {
		t.Fatalf("error %v, %d bytes", r.err, len(r.content))
	}
	if gets.Load() != 5 || moved.ranges.Load() == 0 || moved.bytes.Load() > size {
		t.Errorf("%d requests, %d of them for a range, %d bytes of %d", gets.Load(), moved.ranges.Load(), moved.bytes.Load(), size)
	}
	if moved.ranges.Load() != moved.matches.Load() {
		t.Errorf("%d ranges, %d with If-Match", moved.ranges.Load(), moved.matches.Load())
	}
}

// counting is a transport that counts.
type counting struct {
	base                   http.RoundTripper
	ranges, matches, bytes atomic.Int64
}

func (c *counting) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("Range") != "" {
		c.ranges.Add(1)
	}
	if req.Header.Get("If-Match") != "" {
		c.matches.Add(1)
	}
	res, err := c.base.RoundTrip(req)
	if err == nil {
		res.Body = &countedBody{res.Body, &c.bytes}
	}
	return res, err
}

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// An object that is replaced between two connections is fetched anew, never mixed.
func TestObjectChangedMidway(t *testing.T) {
	servers(t, func(t *testing.T, s *s3test.Server) {
		bucket := s.Bucket(t)
		old, fresh := strings.Repeat("old ", 1<<19), strings.Repeat("new ", 1<<19)
		put(t, s, bucket, "data.bin", old)
		proxy := s3test.NewProxy(t, s)
		var gets atomic.Int32
		proxy.Set(s3test.Faults{Script: func(r s3test.Request) s3test.Kind {
			switch gets.Add(1) {
			case 1:
				return s3test.CutDownload
			case 2:
				put(t, s, bucket, "data.bin", fresh)
			}
			return s3test.None
		}})
		r := run(t, &Stage{URL: "s3://" + bucket + "/data.bin", S3: at(&proxy.Server), opts: as(s.AccessKey, s.SecretKey)}, stages.Services{})
		if r.err != nil || r.content != fresh {
			t.Errorf("error %v, %d bytes, of which old: %d", r.err, len(r.content), strings.Count(r.content, "old "))
		}
	})
}

func TestObjectWaits(t *testing.T) {
	s := s3test.Fake(t)
	bucket := s.Bucket(t)
	put(t, s, bucket, "data.bin", body)
	proxy := s3test.NewProxy(t, s)
	var gets atomic.Int32
	proxy.Set(s3test.Faults{Script: func(r s3test.Request) s3test.Kind {
		return []s3test.Kind{s3test.SlowDown, s3test.InternalError, s3test.Hang, s3test.None}[min(gets.Add(1), 4)-1]
	}})
	opts := as("k", "s")
	opts.stall = 200 * time.Millisecond
	r := run(t, &Stage{URL: "s3://" + bucket + "/data.bin", S3: at(&proxy.Server), opts: opts}, stages.Services{})
	if r.err != nil || r.content != body || gets.Load() != 4 {
		t.Errorf("error %v, %d bytes after %d requests", r.err, len(r.content), gets.Load())
	}
}

// A server that is none of S3, and one that speaks another scheme, are named.
func TestObjectWrongEndpoint(t *testing.T) {
	web := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusMethodNotAllowed) })
	host := strings.TrimSuffix(strings.TrimPrefix(web, "http://"), "/data.bin")
	for insecure, want := range map[bool]string{true: "and not as S3 does: check endpoint", false: "insecure = true"} {
		r := run(t, &Stage{URL: "s3://bucket/x", S3: &S3{Endpoint: host, Insecure: insecure}, opts: as("k", "s")}, stages.Services{})
		wantError(t, r.err, want)
	}
}

// A bucket elsewhere says where; requests, signed or not, then go there.
func TestObjectRegion(t *testing.T) {
	for _, key := range []string{"AKIA", ""} {
		var hosts []string
		o := as(key, key)
		o.transport = tripper(func(req *http.Request) *http.Response {
			hosts = append(hosts, req.URL.Host)
			auth := req.Header.Get("Authorization")
			if (key != "") != strings.Contains(auth, "/s3/aws4_request") {
				t.Errorf("Authorization %q", auth)
			}
			if req.URL.Host == "bucket.s3.eu-west-1.amazonaws.com" && (key == "" || strings.Contains(auth, "/eu-west-1/s3/")) {
				return reply(200, body, "ETag", `"a"`)
			}
			return reply(301, `<Error><Code>PermanentRedirect</Code></Error>`, "X-Amz-Bucket-Region", "eu-west-1")
		})
		r := run(t, &Stage{URL: "s3://bucket/a%20b", opts: o}, stages.Services{})
		if r.err != nil || r.content != body || len(hosts) != 2 {
			t.Errorf("error %v by way of %v", r.err, hosts)
		}
	}
	o := as("k", "s")
	o.transport = tripper(func(*http.Request) *http.Response {
		return reply(301, `<Error><Code>PermanentRedirect</Code></Error>`, "X-Amz-Bucket-Region", "evil.example/x")
	})
	wantError(t, run(t, &Stage{URL: "s3://bucket/a", opts: o}, stages.Services{}).err, "set region in s3")
	o.transport = tripper(func(*http.Request) *http.Response {
		return reply(400, `<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>`)
	})
	wantError(t, run(t, &Stage{URL: "s3://bucket/a", S3: &S3{Region: "us-east-2"}, opts: o}, stages.Services{}).err, "another region than us-east-2; set region in s3 to eu-west-1")
}

type tripper func(*http.Request) *http.Response

func (f tripper) RoundTrip(req *http.Request) (*http.Response, error) {
	res := f(req)
	res.Request = req
	return res, nil
}

func reply(code int, body string, header ...string) *http.Response {
	res := &http.Response{StatusCode: code, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader([]byte(body)))}
	for i := 0; i+1 < len(header); i += 2 {
		res.Header.Set(header[i], header[i+1])
	}
	return res
}

func TestObjectURL(t *testing.T) {
	name := objectName{bucket: "bucket", key: "a b/c"}
	for want, at := range map[string]S3{
		"https://bucket.s3.us-east-1.amazonaws.com/a%20b/c":     {},
		"https://bucket.s3.eu-central-1.amazonaws.com/a%20b/c":  {Region: "eu-central-1"},
		"https://bucket.s3.cn-north-1.amazonaws.com.cn/a%20b/c": {Region: "cn-north-1"},
		"https://s3.us-west-2.amazonaws.com/bucket/a%20b/c":     {Region: "us-west-2", Style: "path", Endpoint: "s3.amazonaws.com"},
		"https://minio.lab/bucket/a%20b/c":                      {Endpoint: "minio.lab"},
		"http://bucket.minio.lab:9000/a%20b/c":                  {Endpoint: "minio.lab:9000", Style: "virtual", Insecure: true},
	} {
		if got := newObject(name, &at, nil).url().String(); got != want {
			t.Errorf("%+v: %s, want %s", at, got, want)
		}
	}
	dots := newObject(objectName{"a.b", "k", "v+1"}, nil, nil).url().String()
	if want := "https://s3.us-east-1.amazonaws.com/a.b/k?versionId=v%2B1"; dots != want {
		t.Errorf("%s, want %s", dots, want)
	}
}

// A machine without a role may leave the lookup hanging: it costs the limit
// once a run, however many nodes fetch.
func TestCredentialsAreLookedForOnce(t *testing.T) {
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hangs.Close()
	var lookups atomic.Int32
	o := as("", "")
	o.lookup = 100 * time.Millisecond
	o.credentials = func() *credentials.Credentials {
		return credentials.NewChainCredentials([]credentials.Provider{
			counted{&lookups, &credentials.IAM{Client: &http.Client{}, Endpoint: "http://" + hangs.Addr().String()}},
		})
	}
	s := s3test.Fake(t)
	bucket := s.Bucket(t)
	put(t, s, bucket, "data.bin", body)
	var memo sync.Map
	start := time.Now()
	var nodes sync.WaitGroup
	for range 8 {
		nodes.Go(func() {
			r := run(t, &Stage{URL: "s3://" + bucket + "/data.bin", S3: at(s), opts: o}, stages.Services{Memo: &memo})
			if r.err != nil || r.content != body {
				t.Errorf("error %v", r.err)
			}
		})
	}
	nodes.Wait()
	if lookups.Load() != 1 {
		t.Errorf("%d lookups in %s", lookups.Load(), time.Since(start))
	}
}

// counted is a provider whose retrievals are counted.
type counted struct {
	n *atomic.Int32
	credentials.Provider
}

func (c counted) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	c.n.Add(1)
	return c.Provider.RetrieveWithCredContext(cc)
}

func TestObjectCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	a := &access{chain: credentials.NewChainCredentials(nil), limit: time.Minute}
	cancel()
	if _, found := a.get(ctx); found || a.none {
		t.Errorf("found %v; that there are none is remembered: %v", found, a.none)
	}
	o := newObject(objectName{bucket: "bucket", key: "k"}, nil, a)
	if _, err := o.request(ctx, http.Header{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
