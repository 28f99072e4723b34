package fetch

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
)

// Check implements stages.Checker: everything that can be said without a look
// at the network.
func (*Stage) Check(attrs stages.Attrs) []stages.Problem {
	c := checker{attrs: attrs}
	c.urls()
	c.s3()
	c.sha256()
	c.numbers()
	c.unpacking()
	c.headers()
	c.name()
	return c.problems
}

type checker struct {
	attrs    stages.Attrs
	problems []stages.Problem
}

func (c *checker) add(attribute, summary, detail string, args ...any) {
	c.problems = append(c.problems, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
}

// value returns a known value that is not null.
func (c *checker) value(name string) (cty.Value, bool) {
	if !c.attrs.Known(name) {
		return cty.NilVal, false
	}
	v, _ := c.attrs[name].UnmarkDeep()
	return v, true
}

func (c *checker) text(name string) (string, bool) {
	v, ok := c.value(name)
	if !ok || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

func (c *checker) urls() {
	if s, ok := c.text("url"); ok {
		c.url("url", s)
	}
	for _, s := range c.attrs.Strings("mirrors") {
		c.url("mirrors", s)
	}
}

func (c *checker) url(attribute, s string) {
	u, err := url.Parse(s)
	switch {
	case strings.TrimSpace(s) == "":
		c.add(attribute, "The URL is empty", "Give the http, https, file or s3 URL of the data.")
	case err != nil || strings.IndexFunc(s, unicode.IsSpace) >= 0:
		c.add(attribute, "This is no URL", "%q cannot be read as a URL. Spaces are written as %%20.", display(s))
	case u.Scheme == "http" || u.Scheme == "https":
		c.webURL(attribute, u)
	case u.Scheme == "s3":
		if _, err := parseObject(u); err != nil {
			c.add(attribute, "This s3 URL names no object", "%s.", upper(err.Error()))
		}
	case u.Scheme == "file":
		if _, err := filePath(u); err != nil {
			c.add(attribute, "This file URL names no absolute path", "%s. A file of the experiment itself needs no dataset: write path(\"data.csv\") where it is used.", upper(err.Error()))
		}
	case u.Scheme == "":
		c.add(attribute, "The URL has no scheme", "%q does not begin with http://, https://, file:// or s3://. A file of the experiment itself needs no dataset: write path(%q) where it is used.", display(s), display(s))
	default:
		c.add(attribute, "The URL's scheme is not supported", "%q begins with %s://; known are http, https, file and s3. Other services have https addresses of their files, too.", display(s), u.Scheme)
	}
}

func (c *checker) webURL(attribute string, u *url.URL) {
	switch {
	case u.Hostname() == "":
		c.add(attribute, "The URL names no server", "%q has nothing between %s:// and the path.", display(u.String()), u.Scheme)
	case u.User != nil:
		c.add(attribute, "The URL holds credentials", "A user or password in a URL ends up in messages. Remove it, and set headers = { Authorization = var.token } with a sensitive variable.")
	case isDrive(u):
		if _, err := parseDrive(u); err != nil {
			c.add(attribute, "This link to Google Drive names no file", "%q: %s.", display(u.String()), err)
		}
	}
}

// s3 checks where buckets are said to be.
func (c *checker) s3() {
	v, ok := c.value("s3")
	if !ok {
		return
	}
	text := func(name string) string {
		if a := v.GetAttr(name); !a.IsNull() {
			return a.AsString()
		}
		return ""
	}
	endpoint, style := text("endpoint"), text("style")
	insecure := v.GetAttr("insecure")
	switch {
	case strings.ContainsAny(endpoint, "/?#@") || strings.IndexFunc(endpoint, unicode.IsSpace) >= 0:
		c.add("s3", "The endpoint is no host", "endpoint is %q: give host or host:port, without https:// and path; http is chosen with insecure = true.", clip(endpoint))
	case endpoint == "" && !insecure.IsNull() && insecure.True():
		c.add("s3", "Amazon is reached by https", "insecure is for a server of your own: give its endpoint, or remove insecure.")
	}
	if style != "" && style != "path" && style != "virtual" {
		c.add("s3", "The style is not known", "style is %q; known are path (host/bucket/key) and virtual (bucket.host/key). Leave it out to choose by the endpoint.", clip(style))
	}
	if region := text("region"); region != "" && !regionName.MatchString(region) {
		c.add("s3", "This is no region", "region is %q; regions are such as us-east-1.", clip(region))
	}
	if links, known := c.links(); known && !slices.ContainsFunc(links, isS3) {
		c.add("s3", "No URL is of a bucket", "s3 says where the buckets of s3:// URLs are, and neither url nor mirrors has one.")
	}
}

func isS3(link string) bool { return strings.HasPrefix(link, "s3:") }

// links are url and mirrors, if all of them are known.
func (c *checker) links() (links []string, known bool) {
	s, ok := c.text("url")
	mirrors := c.attrs["mirrors"]
	known = ok && (mirrors == cty.NilVal || mirrors.IsWhollyKnown())
	return append([]string{s}, c.attrs.Strings("mirrors")...), known
}

var hex = regexp.MustCompile(`^[0-9a-fA-F]*$`)

func (c *checker) sha256() {
	const remedy = " `sha256sum FILE` prints the right one; or leave sha256 out, and the first run records it in nbpipe.lock."
	s, ok := c.text("sha256")
	if !ok {
		return
	}
	others := map[int]string{32: "MD5", 40: "SHA-1", 56: "SHA-224", 96: "SHA-384", 128: "SHA-512"}
	switch name := others[len(s)]; {
	case len(s) == 64 && hex.MatchString(s):
	case strings.HasPrefix(strings.ToLower(s), "sha256:") || strings.HasPrefix(strings.ToLower(s), "sha256-"):
		c.add("sha256", "The digest has a prefix", "Write the 64 hexadecimal digits alone, without %q.%s", s[:7], remedy)
	case name != "" && hex.MatchString(s):
		c.add("sha256", "This is no SHA-256", "A SHA-256 has 64 hexadecimal digits; the %d given are as many as those of %s.%s", len(s), name, remedy)
	case hex.MatchString(s):
		c.add("sha256", "This is no SHA-256", "A SHA-256 has 64 hexadecimal digits, this has %d.%s", len(s), remedy)
	default:
		c.add("sha256", "This is no SHA-256", "A SHA-256 has 64 hexadecimal digits (0-9, a-f); %q has others.%s", clip(s), remedy)
	}
}

func (c *checker) numbers() {
	for _, name := range []string{"size", "strip_components"} {
		v, ok := c.value(name)
		if !ok || v.Type() != cty.Number {
			continue
		}
		if n := v.AsBigFloat(); n.Sign() < 0 || !n.IsInt() {
			c.add(name, "A whole number is needed", "%s is %s; it must be a whole number, 0 or more.", name, stages.NumberText(n))
		}
	}
}

func (c *checker) unpacking() {
	member, hasMember := c.text("member")
	if hasMember {
		if m := path.Clean(member); member == "" || m == "." || path.IsAbs(m) || m == ".." || strings.HasPrefix(m, "../") {
			c.add("member", "This names no member", "%q is not the name of a file or folder inside the archive, as `tar -tf` or `unzip -l` list them.", clip(member))
		}
	}
	unpack, ok := c.value("unpack")
	strip, hasStrip := c.value("strip_components")
	if ok && unpack.Type() == cty.Bool && unpack.False() && !hasMember && hasStrip && strip.AsBigFloat().Sign() > 0 {
		if m, given := c.attrs["member"]; given && !m.IsKnown() {
			return
		}
		c.add("strip_components", "Nothing is unpacked", "strip_components has a meaning with unpack = true or member only.")
	}
}

var token = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// ownHeaders are set by the download itself.
var ownHeaders = []string{"range", "if-range", "accept-encoding", "host", "connection", "content-length", "transfer-encoding"}

// headers checks names and values, and shows neither: both may be secret.
func (c *checker) headers() {
	v, ok := c.value("headers")
	if !ok || v.LengthInt() == 0 {
		return
	}
	if s, ok := c.text("url"); ok {
		c.headersFor(s)
	}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		name := k.AsString()
		switch {
		case !token.MatchString(name):
			c.add("headers", "A header's name is wrong", "A name has letters, digits and dashes only.")
		case slices.Contains(ownHeaders, strings.ToLower(name)):
			c.add("headers", "This header is nbpipe's own", "%s is set for each request; remove it.", name)
		case !e.IsNull() && strings.IndexFunc(e.AsString(), unicode.IsControl) >= 0:
			c.add("headers", "A header's value has control characters", "The value of %s has a line break or another control character; a file with a token often ends in one: use trimspace().", name)
		}
	}
}

// headersFor says where headers are of no use.
func (c *checker) headersFor(link string) {
	u, err := url.Parse(link)
	switch {
	case err != nil:
	case u.Scheme == "s3":
		c.add("headers", "Headers are not sent to a bucket", "headers are for http and https. Access to a bucket is by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws/credentials or the machine's role.")
	case isDrive(u):
		c.add("headers", "Headers are not sent to Google Drive", "A link works for files that are shared with everybody. For another one take the address of the API, https://www.googleapis.com/drive/v3/files/ID?alt=media, with headers = { Authorization = var.token }.")
	}
}

func (c *checker) name() {
	s, ok := c.text("name")
	if !ok {
		return
	}
	if s == "" || s == "." || s == ".." || strings.ContainsAny(s, `/\`) || strings.IndexFunc(s, unicode.IsControl) >= 0 || len(s) > 255 {
		c.add("name", "This is no file name", "%q must be a single name of at most 255 bytes, without slashes.", clip(s))
	}
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
