package fetch

import (
	"net/url"
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
		"scheme":           {map[string]cty.Value{"url": str("gs://bucket/a")}, "known are http, https, file and s3"},
		"space":            {map[string]cty.Value{"url": str("https://example.org/a b")}, "%20"},
		"no host":          {map[string]cty.Value{"url": str("https:///a")}, "names no server"},
		"password":         {map[string]cty.Value{"url": str("https://u:hunter2@example.org/a")}, "set headers"},
		"relative file":    {map[string]cty.Value{"url": str("file:a.csv")}, "three slashes"},
		"file host":        {map[string]cty.Value{"url": str("file://data/a.csv")}, "three slashes"},
		"mirror":           {map[string]cty.Value{"url": str(url), "mirrors": cty.ListVal([]cty.Value{str("ftp://x/y")})}, "known are http, https, file and s3"},
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
	at := func(endpoint, style, region string, insecure cty.Value) cty.Value {
		text := func(s string) cty.Value {
			if s == "" {
				return cty.NullVal(cty.String)
			}
			return str(s)
		}
		return cty.ObjectVal(map[string]cty.Value{"endpoint": text(endpoint), "style": text(style), "region": text(region), "insecure": insecure})
	}
	unset := cty.NullVal(cty.Bool)
	const object, drive = "s3://bucket/a/b.csv", "https://drive.google.com/file/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74/view?usp=sharing"
	for name, tt := range map[string]struct {
		attrs map[string]cty.Value
		want  string
	}{
		"object":               {map[string]cty.Value{"url": str(object), "s3": at("localhost:9000", "path", "eu-x", cty.True)}, ""},
		"object's version":     {map[string]cty.Value{"url": str(object + "?versionId=null")}, ""},
		"object in a mirror":   {map[string]cty.Value{"url": str(url), "mirrors": cty.ListVal([]cty.Value{str(object)}), "s3": at("h", "", "", unset)}, ""},
		"no bucket":            {map[string]cty.Value{"url": str("s3:///a")}, "s3://bucket/key"},
		"server as bucket":     {map[string]cty.Value{"url": str("s3://localhost:9000/bucket/a")}, `s3 = { endpoint = "localhost:9000" }`},
		"bucket's name":        {map[string]cty.Value{"url": str("s3://a_/b")}, "3 to 63"},
		"folder of a bucket":   {map[string]cty.Value{"url": str("s3://bucket/a/")}, "names a folder"},
		"bucket alone":         {map[string]cty.Value{"url": str("s3://bucket")}, "names a folder"},
		"question mark":        {map[string]cty.Value{"url": str("s3://bucket/a?b")}, "%3F"},
		"hash":                 {map[string]cty.Value{"url": str("s3://bucket/a#b")}, "%23"},
		"keys in the URL":      {map[string]cty.Value{"url": str("s3://AKIA:hunter2@bucket/a")}, "~/.aws/credentials"},
		"headers of a bucket":  {map[string]cty.Value{"url": str(object), "headers": cty.MapVal(map[string]cty.Value{"A": str("b")})}, "AWS_ACCESS_KEY_ID"},
		"s3 of no URL":         {map[string]cty.Value{"url": str(url), "s3": at("h", "", "", unset)}, "neither url nor mirrors"},
		"s3, unknown URL":      {map[string]cty.Value{"url": cty.UnknownVal(cty.String), "s3": at("h", "", "", unset)}, ""},
		"s3, unknown mirrors":  {map[string]cty.Value{"url": str(url), "mirrors": cty.UnknownVal(cty.List(cty.String)), "s3": at("h", "", "", unset)}, ""},
		"endpoint with scheme": {map[string]cty.Value{"url": str(object), "s3": at("https://h", "", "", unset)}, "without https://"},
		"insecure Amazon":      {map[string]cty.Value{"url": str(object), "s3": at("", "", "", cty.True)}, "give its endpoint"},
		"style":                {map[string]cty.Value{"url": str(object), "s3": at("h", "dns", "", unset)}, "known are path"},
		"region":               {map[string]cty.Value{"url": str(object), "s3": at("h", "", "EU (Frankfurt)", unset)}, "us-east-1"},
		"drive":                {map[string]cty.Value{"url": str(drive)}, ""},
		"folder on drive":      {map[string]cty.Value{"url": str("https://drive.google.com/drive/u/0/folders/1BxiMVs0XRA5nFMdKvBdBZ?usp=sharing")}, "copy the link of the file in it"},
		"drive without a file": {map[string]cty.Value{"url": str("https://drive.google.com/drive/my-drive")}, "names no file"},
		"headers for drive":    {map[string]cty.Value{"url": str(drive), "headers": cty.MapVal(map[string]cty.Value{"A": str("b")})}, "alt=media"},
	} {
		tests[name] = tt
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
		"s3://b/k%20l?versionId=v":                "s3://b/k%20l?versionId=v",
	} {
		if got := display(in); got != want {
			t.Errorf("display(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for link, want := range map[string]string{
		"https://h/a/b%20c.csv?x=1":              "b c.csv",
		"https://h":                              "",
		"https://h/":                             "",
		"s3://bucket/a/b.csv?versionId=1":        "b.csv",
		"https://drive.google.com/open?id=1":     "",
		"https://drive.google.com/file/d/1/view": "",
	} {
		if got := linkName(link); got != want {
			t.Errorf("linkName(%s) = %q, want %q", link, got, want)
		}
	}
	for header, want := range map[string]string{
		`attachment; filename="a b.zip"`:                               "a b.zip",
		`attachment; filename="x"; filename*=UTF-8''na%C3%AFve%20.csv`: "naïve .csv",
		`attachment; filename="../../etc/passwd"`:                      "passwd",
		`attachment; filename="C:\\x\\y.csv"`:                          "y.csv",
		`attachment; filename=".."`:                                    "",
		`attachment`:                                                   "",
		`;;`:                                                           "",
	} {
		if got := dispositionName(header); got != want {
			t.Errorf("dispositionName(%s) = %q, want %q", header, got, want)
		}
	}
}

func TestDriveLinks(t *testing.T) {
	for link, want := range map[string]driveLink{
		"https://drive.google.com/file/d/1a-B_c/view?usp=sharing":                 {id: "1a-B_c"},
		"https://drive.google.com/file/d/1a":                                      {id: "1a"},
		"https://drive.google.com/file/u/1/d/1a/edit":                             {id: "1a"},
		"https://drive.google.com/a/uni.edu/file/d/1a/view":                       {id: "1a"},
		"https://drive.google.com/open?id=1a&authuser=0":                          {id: "1a"},
		"https://drive.google.com/uc?export=download&id=1a":                       {id: "1a"},
		"https://docs.google.com/uc?id=1a":                                        {id: "1a"},
		"https://drive.google.com/u/0/uc?id=1a":                                   {id: "1a"},
		"https://drive.usercontent.google.com/download?id=1a&confirm=t&uuid=abc":  {id: "1a"},
		"https://drive.google.com/file/d/1a/view?resourcekey=0-x_y&usp=drive_web": {id: "1a", resourceKey: "0-x_y"},
	} {
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseDrive(u); !isDrive(u) || got != want || err != nil {
			t.Errorf("%s: %+v, %v, want %+v", link, got, err, want)
		}
	}
	for _, link := range []string{"https://docs.google.com/spreadsheets/d/1a/export?format=csv", "https://example.org/file/d/1a/view", "s3://drive.google.com/open?id=1"} {
		if u, _ := url.Parse(link); isDrive(u) {
			t.Errorf("%s is taken for a file on Drive", link)
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
