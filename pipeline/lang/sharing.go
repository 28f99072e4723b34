package lang

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/trust"
	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
)

// CacheSettings is a `cache "s3" "name"` block of settings, a bucket in which a
// team shares results, or a `cache "folder" "name"` block: a folder.
type CacheSettings struct {
	Name     string
	Folder   string // absolute; nothing else about the place then
	Bucket   string
	Endpoint string // host or host:port; Amazon's by default
	Region   string
	Prefix   string
	Style    string // "path", "virtual", or "" to choose by the endpoint
	Mode     string // "read" or "write"
	Insecure bool   // http
	Trust    []string
	Range    hcl.Range
}

// Digest identifies everything that the user agrees to.
func (c *CacheSettings) Digest() cache.Digest {
	if c.Folder != "" {
		return cache.DigestOf(fmt.Appendf(nil, "folder %q %q %q", c.Folder, c.Mode, c.Trust))
	}
	return cache.DigestOf(fmt.Appendf(nil, "%q %q %q %q %q %q %t %q", c.Bucket, c.Endpoint, c.Region, c.Prefix, c.Style, c.Mode, c.Insecure, c.Trust))
}

// Terms are what the block says, in lines, for who is to agree to it.
func (c *CacheSettings) Terms() []string {
	var out []string
	for _, t := range []struct{ name, value string }{
		{"path", c.Folder}, {"bucket", c.Bucket}, {"endpoint", c.Endpoint}, {"region", c.Region}, {"prefix", c.Prefix}, {"style", c.Style}, {"mode", c.Mode},
	} {
		if t.value != "" {
			out = append(out, t.name+" = "+strconv.Quote(t.value))
		}
	}
	if c.Insecure {
		out = append(out, "insecure = true")
	}
	for i, k := range c.Trust {
		out = append(out, fmt.Sprintf("trust[%d] = %q", i, k))
	}
	return out
}

// AWSEndpoint is where buckets are unless something else is said.
const AWSEndpoint = "s3.amazonaws.com"

var cacheAttributes = []string{"bucket", "endpoint", "region", "prefix", "style", "mode", "insecure", "trust"}

func (l *loader) cacheSettings(m *module, b *hclsyntax.Block) {
	if len(b.Labels) != 2 || b.Labels[0] != "s3" && b.Labels[0] != "folder" || !validName(b.Labels[1]) {
		l.error(b.DefRange(), "Wrong labels", `A cache block has a type, which is s3 or folder, and a name, as in cache "s3" "team" { ... }.`)
		return
	}
	if m.parent != nil {
		l.error(b.DefRange(), "A cache in an import", "Where results are shared is said by the experiment that is run, not by what it imports. Move the block there.")
		return
	}
	if old := l.x.Cache; old != nil {
		l.duplicate(b.DefRange(), old.Range, "A cache block")
		return
	}
	if b.Labels[0] == "folder" {
		l.cacheFolder(m, b)
		return
	}
	l.onlyAttributes(b, cacheAttributes)
	c := &CacheSettings{Name: b.Labels[1], Endpoint: AWSEndpoint, Mode: "write", Range: b.DefRange()}
	l.x.Cache = c
	texts := map[string]*string{
		"bucket": &c.Bucket, "endpoint": &c.Endpoint, "region": &c.Region, "prefix": &c.Prefix, "style": &c.Style, "mode": &c.Mode,
	}
	for _, a := range attributesByPlace(b.Body.Attributes) {
		if to := texts[a.Name]; to != nil {
			if text, ok := l.constantText(m, a); ok {
				*to = text
			}
		}
	}
	c.Insecure, _ = l.constantBool(m, b.Body.Attributes["insecure"])
	c.Trust = l.trusted(m, b.Body.Attributes["trust"])
	if b.Body.Attributes["bucket"] == nil {
		l.error(b.DefRange(), "Missing attribute", `A cache needs a bucket: bucket = "our-lab".`)
	}
	l.oneOf(b, "style", c.Style, "", "path", "virtual")
	l.oneOf(b, "mode", c.Mode, "read", "write")
	if a := b.Body.Attributes["endpoint"]; a != nil && strings.ContainsAny(c.Endpoint, "/@ ") {
		l.error(a.Expr.Range(), "Invalid endpoint", "%q is not of the form host or host:port. Leave the scheme out; where the server speaks http only, say insecure = true.", c.Endpoint)
	}
}

// cacheFolder reads a `cache "folder" "name"` block.
func (l *loader) cacheFolder(m *module, b *hclsyntax.Block) {
	l.onlyAttributes(b, []string{"path", "mode", "trust"})
	c := &CacheSettings{Name: b.Labels[1], Mode: "write", Range: b.DefRange()}
	l.x.Cache = c
	for name, to := range map[string]*string{"path": &c.Folder, "mode": &c.Mode} {
		if a := b.Body.Attributes[name]; a != nil {
			if text, ok := l.constantText(m, a); ok {
				*to = text
			}
		}
	}
	c.Trust = l.trusted(m, b.Body.Attributes["trust"])
	switch a := b.Body.Attributes["path"]; {
	case a == nil:
		l.error(b.DefRange(), "Missing attribute", `A cache in a folder needs its path: path = "/nfs/lab/nbpipe".`)
	case !filepath.IsAbs(c.Folder):
		l.error(a.Expr.Range(), "Not an absolute path", "%q depends on where nbpipe is started. Give the path by which all machines know the folder, from / on.", c.Folder)
	}
	l.oneOf(b, "mode", c.Mode, "read", "write")
}

func (l *loader) oneOf(b *hclsyntax.Block, name, value string, allowed ...string) {
	if a := b.Body.Attributes[name]; a != nil && !slices.Contains(allowed, value) {
		allowed = slices.DeleteFunc(allowed, func(s string) bool { return s == "" })
		l.error(a.Expr.Range(), "Unknown value", "%s is %q or %q, not %q.", name, allowed[0], allowed[1], value)
	}
}

// trusted reads the public keys of a cache block.
func (l *loader) trusted(m *module, a *hclsyntax.Attribute) []string {
	if a == nil {
		return nil
	}
	v, ok := l.constant(l.compile(a.Expr, m, nil, scope{nothing: true, what: "the attribute trust"}))
	if !ok {
		return nil
	}
	list, err := convert.Convert(v, cty.List(cty.String))
	if err != nil || v.IsMarked() || !list.IsWhollyKnown() || list.IsNull() {
		l.error(a.Expr.Range(), "Wrong type", "trust must be a list of public keys, this is %s.", diagnostic.Given(v))
		return nil
	}
	var out []string
	for it := list.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if e.IsNull() {
			continue
		}
		if _, err := trust.ParsePublic(e.AsString()); err != nil {
			l.error(a.Expr.Range(), "Not a public key", "%s", sentence(err))
			continue
		}
		out = append(out, e.AsString())
	}
	return out
}
