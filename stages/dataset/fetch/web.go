package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// web is a file with an http or https address.
type web struct {
	url       *url.URL
	headers   map[string]string // for the url's own origin
	pinned    bool
	redirects int
}

func (w *web) request(ctx context.Context, h http.Header) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url.String(), nil)
	if err != nil {
		return nil, &permanent{err}
	}
	req.Header = h
	for k, v := range w.headers {
		req.Header.Set(k, v)
	}
	return req, nil
}

// redirect bounds redirects, and keeps credentials with the origin: net/http
// itself would hand headers such as PRIVATE-TOKEN on to any host.
func (w *web) redirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > w.redirects:
		return &permanent{fmt.Errorf("more than %d redirects", w.redirects)}
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return &permanent{fmt.Errorf("a redirect to %s:// is not followed", req.URL.Scheme)}
	case !w.pinned && via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme == "http":
		return &permanent{errors.New("a redirect from https to http is not followed without a sha256")}
	}
	req.Header.Del("Referer") // may hold a signed query
	if !sameOrigin(w.url, req.URL) {
		for k := range w.headers {
			req.Header.Del(k)
		}
	}
	return nil
}

// answered leaves every answer to the transfer.
func (*web) answered(*http.Response) error { return nil }
