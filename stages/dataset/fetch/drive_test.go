package fetch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/stages"
)

// fakeDrive answers as drive.usercontent.google.com does, by a file's ID.
type fakeDrive struct {
	*httptest.Server
	expire atomic.Int32 // how often a confirmed link is forgotten before it serves
	cuts   atomic.Int32 // how often a confirmed download is cut
	ranges atomic.Int32
}

const driveWarning = `<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title><style>.x{}</style></head>
<body><div class="uc-main"><p class="uc-warning-caption">Google Drive can't scan this file for viruses.</p>
<form id="search" action="https://www.google.com/search"><input type="hidden" name="q" value="no"></form>
<form id="download-form" action="%s/download" method="get"><input type="submit" id="uc-download-link" value="Download anyway"/>
<input type="hidden" name="id" value="%s"><input type="hidden" name="export" value="download"><input type="hidden" name="confirm" value="t">
<input type="hidden" name="uuid" value="fb91eef8&amp;69aa"><input type="hidden" name="at" value="APZ:17"></form></div></body></html>`

func newFakeDrive(t *testing.T) *fakeDrive {
	d := &fakeDrive{}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *fakeDrive) page(w http.ResponseWriter, code int, html string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, html)
}

func (d *fakeDrive) file(w http.ResponseWriter, r *http.Request, kind string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="table.bin"; filename*=UTF-8''table%20%C3%A9.bin`)
	w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
	http.ServeContent(w, r, "", time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC), strings.NewReader(body))
}

func (d *fakeDrive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Header.Get("Range") != "" {
		d.ranges.Add(1)
	}
	if r.URL.Path != "/download" || q.Get("export") != "download" {
		http.NotFound(w, r)
		return
	}
	switch id := q.Get("id"); id {
	case "small":
		d.file(w, r, "application/octet-stream")
	case "large":
		d.large(w, r)
	case "html":
		d.file(w, r, "text/html; charset=utf-8")
	case "old":
		if q.Get("resourcekey") != "0-abc" {
			http.NotFound(w, r)
			return
		}
		d.file(w, r, "application/octet-stream")
	case "quota":
		d.page(w, 200, `<html><head><title>Google Drive - Quota exceeded</title></head><body><p class="uc-error-caption">Sorry, you can&#39;t view or download this file at this time.</p><p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p></body></html>`)
	case "private":
		http.Redirect(w, r, "https://accounts.google.com/ServiceLogin?continue=x", http.StatusSeeOther)
	case "signin":
		d.page(w, 200, `<html><title>Anmelden</title><form action="https://accounts.google.com/v3/signin"><input type="hidden" name="continue" value="x"></form></html>`)
	case "denied":
		d.page(w, 403, `<html><title>Google Drive - Access denied</title><p>You need access</p></html>`)
	case "away":
		d.page(w, 200, fmt.Sprintf(driveWarning, "https://evil.example", id))
	case "loop":
		d.page(w, 200, fmt.Sprintf(driveWarning, d.URL, id))
	case "strange":
		d.page(w, 200, `<html><title>Something else</title><p>entirely</p></html>`)
	case "endless":
		d.page(w, 200, "<html><body>"+strings.Repeat("<p>x", pageLimit/4+1))
	case "busy":
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		d.page(w, 404, `<html><title>Error 404 (Not Found)</title></html>`)
	}
}

// large warns, until the form of the warning comes.
func (d *fakeDrive) large(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("confirm") != "t" || q.Get("uuid") != "fb91eef8&69aa" || q.Get("at") != "APZ:17" || d.expire.Add(-1) >= 0 {
		d.page(w, 200, fmt.Sprintf(driveWarning, d.URL, "large"))
		return
	}
	if d.cuts.Add(-1) >= 0 {
		d.file(&cutter{ResponseWriter: w, left: 10_000}, r, "application/octet-stream")
		return
	}
	d.file(w, r, "application/octet-stream")
}

func (d *fakeDrive) options() *options {
	o, _ := quick()
	o.drive = d.URL
	return o
}

func driveURL(id string) string { return "https://drive.google.com/file/d/" + id + "/view?usp=sharing" }

func TestDrive(t *testing.T) {
	tests := map[string]struct {
		link         string
		pinned       bool
		expire, cuts int32
		ranges       int32
	}{
		"small":                             {link: driveURL("small")},
		"other link":                        {link: "https://drive.google.com/uc?id=small&export=download"},
		"resource key":                      {link: driveURL("old") + "&resourcekey=0-abc"},
		"large":                             {link: driveURL("large")},
		"large, by the download's own link": {link: "https://drive.usercontent.google.com/download?id=large&confirm=t&uuid=stale"},
		"large, cut":                        {link: driveURL("large"), cuts: 3, ranges: 3},
		"large, confirmed twice":            {link: driveURL("large"), expire: 1},
		"a web page, as its digest says":    {link: driveURL("html"), pinned: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newFakeDrive(t)
			d.cuts.Store(tt.cuts)
			d.expire.Store(tt.expire)
			s := &Stage{URL: tt.link, opts: d.options()}
			if tt.pinned {
				s.SHA256 = sha(body)
			}
			r := run(t, s, stages.Services{})
			if r.err != nil || r.content != body {
				t.Fatalf("error %v, %d bytes", r.err, len(r.content))
			}
			if f := r.out.Files["file"]; f.Name != "table é.bin" || r.out.Facts["source"] != display(tt.link) {
				t.Errorf("name %q, source %q", f.Name, r.out.Facts["source"])
			}
			if d.ranges.Load() != tt.ranges {
				t.Errorf("%d ranges, want %d", d.ranges.Load(), tt.ranges)
			}
		})
	}
}

// A cut and an expired confirmation at once: the link is confirmed again, and
// the download goes on where it was.
func TestDriveConfirmedAgain(t *testing.T) {
	d := newFakeDrive(t)
	d.cuts.Store(1)
	opts := d.options()
	opts.sleep = func(ctx context.Context, _ time.Duration) error {
		d.expire.Store(1)
		return ctx.Err()
	}
	r := run(t, &Stage{URL: driveURL("large"), opts: opts}, stages.Services{})
	if r.err != nil || r.content != body || d.ranges.Load() != 2 {
		t.Errorf("error %v, %d bytes, %d ranges", r.err, len(r.content), d.ranges.Load())
	}
}

// TestI9_DrivePagesAreNoData: no page is kept in place of the file, with or
// without a digest, and each says why there is none.
func TestI9_DrivePagesAreNoData(t *testing.T) {
	d := newFakeDrive(t)
	for id, want := range map[string]string{
		"quota":   "up to 24 hours",
		"private": `"Anyone with the link"`,
		"signin":  `"Anyone with the link"`,
		"denied":  `"Anyone with the link"`,
		"gone":    "no such file: check the ID",
		"away":    "leads away from Google Drive",
		"loop":    "from one address to the next",
		"strange": `a web page ("Something else") and not the file`,
		"endless": "a web page of over 1048576 bytes",
		"busy":    "gave up after 6 attempts",
		"html":    "give its sha256",
	} {
		for _, digest := range []string{"", sha("another")} {
			if id == "html" && digest != "" {
				want = "wrong content"
			}
			r := run(t, &Stage{URL: driveURL(id), SHA256: digest, opts: d.options()}, stages.Services{})
			wantError(t, r.err, driveURL(id), want)
			if len(r.out.Pins) > 0 || len(r.out.Files) > 0 {
				t.Errorf("%s: kept %+v", id, r.out)
			}
		}
	}
	r := run(t, &Stage{URL: driveURL("gone"), Mirrors: []string{driveURL("small")}, opts: d.options()}, stages.Services{})
	if r.err != nil || r.content != body {
		t.Errorf("mirror: error %v", r.err)
	}
	wantError(t, run(t, &Stage{URL: "https://drive.google.com/drive/folders/1a", opts: d.options()}, stages.Services{}).err, "the link of a folder")
	wantError(t, run(t, &Stage{URL: driveURL("small"), opts: d.options()}, stages.Services{Offline: true}).err, "--offline")
}

// The name of a file on Drive is in no link, so that a folder is searched by the
// digest, or the name that was given.
func TestDriveMirrorFolder(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"download": "not this", "table.bin": body} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	services := stages.Services{Mirrors: []string{dir}, Offline: true}
	wantError(t, run(t, &Stage{URL: driveURL("small")}, services).err, "neither a sha256 nor a name is known")
	for _, s := range []*Stage{{URL: driveURL("small"), Name: "table.bin"}, {URL: driveURL("small"), SHA256: sha(body)}} {
		if r := run(t, s, services); r.err != nil || r.content != body {
			t.Errorf("%+v: error %v", s, r.err)
		}
	}
}

func FuzzDrivePage(f *testing.F) {
	f.Add(fmt.Sprintf(driveWarning, "https://drive.usercontent.google.com", "1a"))
	f.Add(`<form id=download-form action="//x"><form id=downloadForm><input name=a type=hidden>`)
	f.Add(`<title></title><svg><title>`)
	f.Fuzz(func(t *testing.T, page string) {
		p, err := readPage(strings.NewReader(page))
		if err != nil {
			return
		}
		w := web{url: &url.URL{}}
		d, err := newDrive(driveLink{id: "1a"}, "https://drive.usercontent.google.com", w)
		if err != nil {
			t.Fatal(err)
		}
		at := *d.url
		res := &http.Response{StatusCode: 200, Request: &http.Request{URL: &at}}
		if err := d.follow(p, res); err == errAgain && !isDrive(d.url) {
			t.Errorf("it leads to %s", d.url)
		}
	})
}
