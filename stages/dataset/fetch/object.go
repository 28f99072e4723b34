package fetch

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"
)

// S3 says where the buckets of s3:// URLs are. Zero is Amazon.
type S3 struct {
	Endpoint string `attr:"endpoint,optional" doc:"Host or host:port of an S3-compatible server. Amazon's by default."`
	Region   string `attr:"region,optional" doc:"The bucket's region. Found out where it is left out."`
	Style    string `attr:"style,optional" doc:"path or virtual (the bucket as part of the host's name). By the endpoint where it is left out."`
	Insecure bool   `attr:"insecure,optional" doc:"http instead of https."`
}

const (
	amazon        = "s3.amazonaws.com"
	defaultRegion = "us-east-1"
)

// objectName is what an s3:// URL says.
type objectName struct{ bucket, key, version string }

// parseObject reads s3://bucket/key?versionId=... The error says what to write.
func parseObject(u *url.URL) (objectName, error) {
	shown := display(u.String())
	query := u.Query()
	o := objectName{bucket: u.Host, key: strings.TrimPrefix(u.Path, "/"), version: query.Get("versionId")}
	query.Del("versionId")
	switch {
	case u.User != nil:
		return o, errors.New("a URL with credentials ends up in messages: remove them; they are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws/credentials or the machine's role")
	case u.Opaque != "" || u.Host == "":
		return o, fmt.Errorf("%q is not of the form s3://bucket/key", shown)
	case u.Port() != "":
		return o, fmt.Errorf("%q begins with a server's name: write s3://bucket/key, and s3 = { endpoint = %q }", shown, u.Host)
	case s3utils.CheckValidBucketName(o.bucket) != nil:
		return o, fmt.Errorf("%q is no name of a bucket: it has 3 to 63 letters, digits, dots and dashes", o.bucket)
	case u.Fragment != "" || len(query) > 0:
		return o, fmt.Errorf("%q has more than a key and a versionId; in a key # is written as %%23 and ? as %%3F", shown)
	case o.key == "" || strings.HasSuffix(o.key, "/"):
		return o, fmt.Errorf("%q names a folder; a dataset is one object: `aws s3 ls` lists what is in a folder", shown)
	}
	return o, nil
}

// object is a source: an object of a bucket. It signs requests itself, so that a
// download from a bucket goes on, waits and is checked as any other.
type object struct {
	objectName
	at     S3
	region string
	access *access

	moved     bool   // the region was learnt from an answer
	anonymous bool   // credentials are not to be sent
	refused   string // what the server said to credentials
}

func newObject(name objectName, at *S3, access *access) *object {
	o := &object{objectName: name, access: access}
	if at != nil {
		o.at = *at
	}
	o.region = o.at.Region
	if o.region == "" {
		o.region = s3utils.GetRegionFromURL(url.URL{Host: o.at.Endpoint})
	}
	if o.region == "" {
		o.region = defaultRegion
	}
	return o
}

func (o *object) host() string {
	switch {
	case o.at.Endpoint != "" && o.at.Endpoint != amazon:
		return o.at.Endpoint
	case strings.HasPrefix(o.region, "cn-"):
		return "s3." + o.region + ".amazonaws.com.cn"
	}
	return "s3." + o.region + ".amazonaws.com"
}

// url is the object's address at the host.
func (o *object) url() *url.URL {
	u := &url.URL{Scheme: "https", Host: o.host()}
	if o.at.Insecure {
		u.Scheme = "http"
	}
	virtual := s3utils.IsVirtualHostSupported(*u, o.bucket)
	if o.at.Style != "" {
		virtual = o.at.Style == "virtual"
	}
	if virtual {
		u.Host, u.Path = o.bucket+"."+u.Host, "/"+o.key
	} else {
		u.Path = "/" + o.bucket + "/" + o.key
	}
	u.RawPath = s3utils.EncodePath(u.Path)
	if o.version != "" {
		u.RawQuery = url.Values{"versionId": {o.version}}.Encode()
	}
	return u
}

// emptySum is the SHA-256 of a request without a body.
const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func (o *object) request(ctx context.Context, h http.Header) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url().String(), nil)
	if err != nil {
		return nil, &permanent{err}
	}
	if same := h.Get("If-Range"); same != "" { // which S3 does not know
		h.Del("If-Range")
		if strings.HasPrefix(same, `"`) {
			h.Set("If-Match", same)
		}
	}
	req.Header = h
	if o.anonymous {
		return req, nil
	}
	key, found := o.access.get(ctx)
	if !found {
		o.anonymous = true
		return req, context.Cause(ctx)
	}
	h.Set("X-Amz-Content-Sha256", emptySum)
	return signer.SignV4(*req, key.AccessKeyID, key.SecretAccessKey, key.SessionToken, o.region), nil
}

// redirect follows none: a signature is for one host, and what S3 redirects for,
// the region, is in the answer.
func (*object) redirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// answered learns the bucket's region, and leaves credentials out that are
// refused: what is public is for everybody.
func (o *object) answered(res *http.Response) error {
	code := res.StatusCode
	if code < 300 || mayPass(code) || code == http.StatusPreconditionFailed || code == http.StatusRequestedRangeNotSatisfiable {
		return nil
	}
	said, err := errorOf(res)
	if err != nil {
		return err
	}
	if region := said.Region; o.at.Region == "" && !o.moved && region != o.region && regionName.MatchString(region) {
		o.region, o.moved = region, true
		return errAgain
	}
	if !o.anonymous && deniedFor(said) {
		o.anonymous, o.refused = true, said.Code
		return errAgain
	}
	return &permanent{o.explain(said)}
}

var regionName = regexp.MustCompile(`^[a-z0-9-]{2,40}$`)

// errorOf reads what a server says in an error: a code, perhaps a region. Of what
// is no answer of S3 the code is empty.
func errorOf(res *http.Response) (minio.ErrorResponse, error) {
	var said minio.ErrorResponse
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return said, err
	}
	if xml.Unmarshal(body, &said) != nil {
		said = minio.ErrorResponse{}
	}
	said.StatusCode = res.StatusCode
	if region := res.Header.Get("X-Amz-Bucket-Region"); region != "" {
		said.Region = region
	}
	return said, nil
}

// deniedFor reports whether other credentials, or none, may get another answer.
func deniedFor(said minio.ErrorResponse) bool {
	switch said.Code {
	case "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return true
	case "RequestTimeTooSkewed", "InvalidObjectState":
		return false
	}
	return said.StatusCode == http.StatusUnauthorized || said.StatusCode == http.StatusForbidden
}

// explain says what an answer means, and what to do.
func (o *object) explain(said minio.ErrorResponse) error {
	where := o.host()
	switch {
	case said.Code == "NoSuchBucket":
		return fmt.Errorf("there is no bucket %q at %s: check its name, and s3 = { endpoint = ... } if it is elsewhere", o.bucket, where)
	case said.Code == "NoSuchVersion" || o.version != "" && said.Code == "InvalidArgument":
		return fmt.Errorf("the object %q in bucket %q has no version %q", o.key, o.bucket, o.version)
	case said.Code == "NoSuchKey":
		return fmt.Errorf("there is no object %q in bucket %q at %s: check the key, in which case counts; `aws s3 ls s3://%s/` lists what is there", o.key, o.bucket, where, o.bucket)
	case said.Code == "InvalidObjectState":
		return fmt.Errorf("the object %q is archived: its owner has to restore it first", o.key)
	case said.Code == "RequestTimeTooSkewed":
		return fmt.Errorf("%s refuses the request's time: this machine's clock is wrong", where)
	case deniedFor(said):
		return o.denied(said)
	case said.Code == "PermanentRedirect" || said.Code == "TemporaryRedirect" || strings.HasPrefix(said.Code, "Authorization") || said.Code == "InvalidRegion":
		return fmt.Errorf("%s answered %s: the bucket is in another region than %s; set region in s3%s", where, said.Code, o.region, named(said.Region))
	case said.Code == "":
		return fmt.Errorf("%s answered %s, and not as S3 does: check endpoint in s3", where, statusText(said.StatusCode))
	}
	return fmt.Errorf("%s answered %s (%s)", where, statusText(said.StatusCode), said.Code)
}

// named repeats a region that a server names.
func named(region string) string {
	if !regionName.MatchString(region) {
		return ""
	}
	return " to " + region
}

// denied says who was refused: the credentials, if there were any, and everybody.
func (o *object) denied(said minio.ErrorResponse) error {
	const right = "s3:GetObject on it is needed; where listing is not allowed, an object that is not there is refused, too"
	code := said.Code
	if code == "" {
		code = statusText(said.StatusCode)
	}
	if o.refused == "" {
		return fmt.Errorf("%s refuses access without credentials (%s), and none were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or fill ~/.aws/credentials; %s", o.host(), code, right)
	}
	return fmt.Errorf("%s refuses access, with the credentials found (%s) and without (%s): check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials; %s", o.host(), o.refused, code, right)
}

// access finds credentials, for all nodes of a run.
type access struct {
	mu    sync.Mutex
	chain *credentials.Credentials
	limit time.Duration
	none  bool
}

// accessKey is the memo's key for the run's access.
type accessKey struct{}

func (f *fetcher) access() *access {
	a := &access{chain: f.client.credentials(), limit: f.client.lookup}
	if f.in.Services.Memo == nil {
		return a
	}
	shared, _ := f.in.Services.Memo.LoadOrStore(accessKey{}, a)
	return shared.(*access)
}

// get returns credentials, if there are any. A machine that has no role may take
// the whole limit to say so: it is asked once.
func (a *access) get(ctx context.Context) (key credentials.Value, found bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.none {
		return key, false
	}
	limited, cancel := context.WithTimeout(ctx, a.limit)
	defer cancel()
	key, err := a.chain.GetWithContext(&credentials.CredContext{Client: http.DefaultClient, Context: limited})
	found = err == nil && key.AccessKeyID != "" && key.SecretAccessKey != ""
	a.none = !found && ctx.Err() == nil
	return key, found
}
