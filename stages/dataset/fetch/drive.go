package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// driveLink is what a link to Google Drive says.
type driveLink struct {
	id          string
	resourceKey string // of files shared before September 2021
}

var (
	driveFilePath = regexp.MustCompile(`^/(?:a/[^/]+/)?file/(?:u/\d+/)?d/([^/]+)`)
	driveIDPath   = regexp.MustCompile(`^/(?:a/[^/]+/)?(?:u/\d+/)?(?:open|uc|download)$`)
	driveFolder   = regexp.MustCompile(`/folders/|/folderview|/embeddedfolderview`)
	driveID       = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
)

// isDrive reports whether a URL leads to Google Drive.
func isDrive(u *url.URL) bool {
	if u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	switch strings.ToLower(u.Hostname()) {
	case "drive.google.com", "drive.usercontent.google.com":
		return true
	case "docs.google.com": // has documents, too, whose exports are files as any other
		return driveIDPath.MatchString(u.Path) || driveFilePath.MatchString(u.Path)
	}
	return false
}

// parseDrive reads a link to a file. The error says what to write.
func parseDrive(u *url.URL) (driveLink, error) {
	link := driveLink{resourceKey: u.Query().Get("resourcekey")}
	if m := driveFilePath.FindStringSubmatch(u.Path); m != nil {
		link.id = m[1]
	} else if driveIDPath.MatchString(u.Path) {
		link.id = u.Query().Get("id")
	}
	switch {
	case driveFolder.MatchString(u.Path):
		return link, errors.New("it is the link of a folder, and a dataset is one file: open the folder, and copy the link of the file in it (Share, Copy link)")
	case !driveID.MatchString(link.id):
		return link, errors.New("it names no file: a link to one looks like https://drive.google.com/file/d/ID/view (Share, Copy link)")
	}
	return link, nil
}

// driveFile is a source: a file on Google Drive that everybody may read who has
// the link. Drive answers with the file, or with a web page: a warning that it
// is too large to be scanned for viruses, or the reason why there is none.
type driveFile struct {
	web    // url is the link's address, later the one that the warning leads to
	origin *url.URL
}

func newDrive(link driveLink, base string, w web) (*driveFile, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	q := url.Values{"id": {link.id}, "export": {"download"}}
	if link.resourceKey != "" {
		q.Set("resourcekey", link.resourceKey)
	}
	d := &driveFile{web: w, origin: u}
	d.url = u.JoinPath("download")
	d.url.RawQuery = q.Encode()
	return d, nil
}

func (d *driveFile) request(ctx context.Context, h http.Header) (*http.Request, error) {
	h.Set("Accept-Language", "en") // in which pages say what is wrong
	return d.web.request(ctx, h)
}

var errNotShared = &permanent{errors.New("Google Drive asks to sign in: the file is not shared with everybody. Its owner can set Share, General access, to \"Anyone with the link\"")}

func (d *driveFile) redirect(req *http.Request, via []*http.Request) error {
	if strings.EqualFold(req.URL.Hostname(), "accounts.google.com") {
		return errNotShared
	}
	return d.web.redirect(req, via)
}

// answered takes web pages for what they are: never for the file, unless it is
// one by its digest.
func (d *driveFile) answered(res *http.Response) error {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	page := kind == "text/html" || kind == "application/xhtml+xml"
	file := strings.HasPrefix(strings.ToLower(res.Header.Get("Content-Disposition")), "attachment")
	switch code := res.StatusCode; {
	case mayPass(code) || code == http.StatusRequestedRangeNotSatisfiable || !page && code < 300:
		return nil
	case page && file && d.pinned && code < 300:
		return nil
	case page && file && code < 300:
		return &permanent{errors.New("Google Drive sent a web page. If the file is one, give its sha256")}
	case code == http.StatusNotFound || code == http.StatusGone:
		return &permanent{errors.New("Google Drive has no such file: check the ID in the link, and whether the file was removed")}
	case !page:
		return &permanent{fmt.Errorf("Google Drive answered %s", statusText(code))}
	}
	p, err := readPage(res.Body)
	if err != nil {
		return err
	}
	return d.follow(p, res)
}

// follow goes where a page leads: to the file, or to an error.
func (d *driveFile) follow(p *drivePage, res *http.Response) error {
	switch {
	case p.action != "":
		u, err := res.Request.URL.Parse(p.action)
		own := err == nil && u.Scheme == d.origin.Scheme && u.Host == d.origin.Host
		if err != nil || !own && (u.Scheme != "https" || !isDrive(u)) {
			return &permanent{errors.New("Google Drive's page about the file leads away from Google Drive: it is not followed")}
		}
		q := u.Query()
		for k, v := range p.inputs {
			q.Set(k, v)
		}
		u.RawQuery = q.Encode()
		d.url = u
		return errAgain
	case p.has("quota exceeded", "too many users have viewed or downloaded this file"):
		return &permanent{errors.New("too many have downloaded the file recently, and Google Drive gives it to nobody for up to 24 hours. Try again later, or add another place to mirrors; a copy in a folder is found with --mirror DIR")}
	case p.signIn || p.has("sign in - google", "you need access", "request access"):
		return errNotShared
	case res.StatusCode >= 400:
		return &permanent{fmt.Errorf("Google Drive answered %s (%q)", statusText(res.StatusCode), clip(p.title))}
	}
	return &permanent{fmt.Errorf("Google Drive sent a web page (%q) and not the file: open the link in a browser, without signing in, to see why", clip(p.title))}
}

// drivePage is what matters of a page that came in place of a file.
type drivePage struct {
	title  string
	text   string            // lower case
	action string            // of the form that leads to the file
	inputs map[string]string // of the form
	signIn bool
}

// pageLimit bounds what is read of a page; the real ones have 3 to 100 KB.
const pageLimit = 1 << 20

func readPage(r io.Reader) (*drivePage, error) {
	limited := &io.LimitedReader{R: r, N: pageLimit}
	root, err := html.Parse(limited)
	if err != nil {
		return nil, err
	}
	if limited.N <= 0 {
		return nil, &permanent{fmt.Errorf("Google Drive sent a web page of over %d bytes, and not the file", pageLimit)}
	}
	p := &drivePage{inputs: map[string]string{}}
	var text strings.Builder
	for n := range root.Descendants() {
		switch {
		case n.Type == html.TextNode && n.Parent.Data == "title":
			p.title = strings.TrimSpace(n.Data)
			fallthrough
		case n.Type == html.TextNode && n.Parent.Data != "script" && n.Parent.Data != "style":
			text.WriteString(n.Data + " ")
		case n.Type == html.ElementNode && n.Data == "form":
			p.form(n)
		}
	}
	p.text = strings.ToLower(strings.Join(strings.Fields(text.String()), " "))
	return p, nil
}

// form looks whether a form leads to the file, or asks who one is.
func (p *drivePage) form(n *html.Node) {
	action := attribute(n, "action")
	if u, err := url.Parse(action); err == nil && strings.EqualFold(u.Hostname(), "accounts.google.com") {
		p.signIn = true
	}
	if id := attribute(n, "id"); id != "download-form" && id != "downloadForm" {
		return
	}
	p.action = action
	for in := range n.Descendants() {
		if name := attribute(in, "name"); in.Type == html.ElementNode && in.Data == "input" && name != "" && strings.EqualFold(attribute(in, "type"), "hidden") {
			p.inputs[name] = attribute(in, "value")
		}
	}
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func (p *drivePage) has(phrases ...string) bool {
	for _, s := range phrases {
		if strings.Contains(p.text, s) {
			return true
		}
	}
	return false
}
