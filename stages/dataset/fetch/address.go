package fetch

import (
	"cmp"
	"fmt"
	"mime"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// secretParameter matches names of query parameters that sign or authorise.
var secretParameter = regexp.MustCompile(`(?i)(token|key|secret|sign|sig$|password|passwd|pwd|credential|auth)`)

// display is a URL for messages and records: without password and fragment,
// values of query parameters that look like credentials hidden.
func display(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return clip(raw)
	}
	u.Fragment = ""
	if u.User != nil {
		u.User = url.User("redacted")
	}
	if u.RawQuery == "" {
		return u.String()
	}
	parts := strings.Split(u.RawQuery, "&")
	for i, p := range parts {
		if name, _, ok := strings.Cut(p, "="); ok && secretParameter.MatchString(name) {
			parts[i] = name + "=***"
		}
	}
	u.RawQuery = strings.Join(parts, "&")
	return u.String()
}

// recorded is a URL for the run record, which holds no path of a machine.
func recorded(u *url.URL) string {
	if u.Scheme == "file" {
		return "local file " + baseName(u.String())
	}
	return display(u.String())
}

// baseName is the file name that a URL ends in, or a fallback.
func baseName(raw string) string { return cmp.Or(linkName(raw), "download") }

// linkName is the file name that a URL ends in, "" if it has none.
func linkName(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || isDrive(u) {
		return ""
	}
	return cleanName(path.Base(u.Path))
}

// dispositionName is the file name in a Content-Disposition header (RFC 6266),
// "" if it has none.
func dispositionName(header string) string {
	_, params, err := mime.ParseMediaType(header)
	if err != nil {
		return ""
	}
	return cleanName(path.Base(strings.ReplaceAll(params["filename"], `\`, "/")))
}

// cleanName makes a file name of what may hold anything, "" if nothing is left.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '/' || r == '\\' {
			return -1
		}
		return r
	}, name)
	if name == "." || name == ".." || len(name) > 255 || !utf8.ValidString(name) {
		return ""
	}
	return name
}

// filePath returns the absolute path that a file URL names.
func filePath(u *url.URL) (string, error) {
	switch {
	case u.Opaque != "" || u.Path == "":
		return "", fmt.Errorf("%q is relative; a file URL begins with three slashes: file:///data/x.csv", clip(u.String()))
	case u.Host != "" && u.Host != "localhost":
		return "", fmt.Errorf("%q names the host %q; a file URL begins with three slashes: file:///data/x.csv", clip(u.String()), u.Host)
	}
	p := filepath.FromSlash(u.Path)
	if !filepath.IsAbs(p) {
		return "", fmt.Errorf("%q is relative; a file URL begins with three slashes: file:///data/x.csv", clip(u.String()))
	}
	return p, nil
}

// sameOrigin reports whether credentials for a may go to b: equal hosts and
// ports, and no step down from https.
func sameOrigin(a, b *url.URL) bool {
	if a.Scheme == "https" && b.Scheme != "https" {
		return false
	}
	upgraded := a.Scheme == "http" && b.Scheme == "https" && a.Port() == "" && b.Port() == ""
	return strings.EqualFold(a.Hostname(), b.Hostname()) && (port(a) == port(b) || upgraded)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}
