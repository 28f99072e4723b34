package fetch

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
)

func TestCheck(t *testing.T) {
	str := cty.StringVal
	digest := strings.Repeat("aB", 32)
	const url = "https://example.org/a.csv"
	tests := map[string]struct {
		attrs map[string]cty.Value
		want  string // "" for no problem
	}{
		"good":             {map[string]cty.Value{"url": str(url), "sha256": str(digest)}, ""},
		"unknown":          {map[string]cty.Value{"url": cty.UnknownVal(cty.String), "sha256": cty.UnknownVal(cty.String), "headers": cty.UnknownVal(cty.Map(cty.String))}, ""},
		"empty":            {map[string]cty.Value{"url": str("")}, "empty"},
		"path":             {map[string]cty.Value{"url": str("data/a.csv")}, `path("data/a.csv")`},
		"scheme":           {map[string]cty.Value{"url": str("s3://bucket/a")}, "known are http, https and file"},
		"space":            {map[string]cty.Value{"url": str("https://example.org/a b")}, "%20"},
		"no host":          {map[string]cty.Value{"url": str("https:///a")}, "names no server"},
		"password":         {map[string]cty.Value{"url": str("https://u:hunter2@example.org/a")}, "set headers"},
		"relative file":    {map[string]cty.Value{"url": str("file:a.csv")}, "three slashes"},
		"file host":        {map[string]cty.Value{"url": str("file://data/a.csv")}, "three slashes"},
		"mirror":           {map[string]cty.Value{"url": str(url), "mirrors": cty.ListVal([]cty.Value{str("ftp://x/y")})}, "known are http, https and file"},
		"md5":              {map[string]cty.Value{"url": str(url), "sha256": str(digest[:32])}, "as many as those of MD5"},
		"short":            {map[string]cty.Value{"url": str(url), "sha256": str(digest[:63])}, "this has 63"},
		"dots":             {map[string]cty.Value{"url": str(url), "sha256": str("...")}, "leave sha256 out"},
		"prefix":           {map[string]cty.Value{"url": str(url), "sha256": str("sha256:" + digest)}, "without \"sha256:\""},
		"size":             {map[string]cty.Value{"url": str(url), "size": cty.NumberFloatVal(1.5)}, "whole number"},
		"strip alone":      {map[string]cty.Value{"url": str(url), "unpack": cty.False, "strip_components": cty.NumberIntVal(1)}, "unpack = true or member"},
		"strip and member": {map[string]cty.Value{"url": str(url), "unpack": cty.False, "member": str("x"), "strip_components": cty.NumberIntVal(1)}, ""},
		"member up":        {map[string]cty.Value{"url": str(url), "member": str("../x")}, "tar -tf"},
		"name":             {map[string]cty.Value{"url": str(url), "name": str("a/b")}, "single name"},
		"header":           {map[string]cty.Value{"url": str(url), "headers": cty.MapVal(map[string]cty.Value{"Authorization": str("hunter2\n").Mark(stages.Sensitive)})}, "trimspace"},
		"own header":       {map[string]cty.Value{"url": str(url), "headers": cty.MapVal(map[string]cty.Value{"Range": str("x")})}, "nbpipe's own"},
	}
	for name, tt := range tests {
		problems := Kind.Zero().(stages.Checker).Check(tt.attrs)
		var text strings.Builder
		for _, p := range problems {
			text.WriteString(p.Summary + ": " + p.Detail + "\n")
		}
		if tt.want == "" && len(problems) > 0 || !strings.Contains(text.String(), tt.want) {
			t.Errorf("%s: %q, want %q", name, text.String(), tt.want)
		}
		if strings.Contains(text.String(), "hunter2") {
			t.Errorf("%s: a secret is shown: %s", name, text.String())
		}
	}
}

func TestDisplay(t *testing.T) {
	for in, want := range map[string]string{
		"https://u:p@h/a#frag":                    "https://redacted@h/a",
		"https://h/a?x=1&X-Amz-Signature=s&sig=t": "https://h/a?x=1&X-Amz-Signature=***&sig=***",
		"https://h/a?design=1":                    "https://h/a?design=***", // rather one too many
		"file:///a/b%20c":                         "file:///a/b%20c",
	} {
		if got := display(in); got != want {
			t.Errorf("display(%s) = %s, want %s", in, got, want)
		}
	}
}

// What enters the key is the digest and how it is unpacked: nothing else.
func TestKeyAttributes(t *testing.T) {
	var key []string
	for _, a := range Kind.Attributes {
		if a.Key {
			key = append(key, a.Name)
		}
	}
	if got := strings.Join(key, " "); got != "member sha256 strip_components unpack" {
		t.Errorf("key attributes are %s", got)
	}
}
