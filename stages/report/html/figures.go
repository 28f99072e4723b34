package html

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"strings"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
)

// Bounds of figures, so that a stranger's output does not make a page that no
// browser opens.
const (
	maxFigure = 4 << 20  // bytes of one file
	maxTotal  = 24 << 20 // bytes of all files
)

// figure is a picture in the page.
type figure struct {
	Caption string
	Alt     string
	Inline  template.HTML // a checked <svg> element
	Source  template.URL  // a data: URI, where it is not inline
	Note    string        // why there is no picture
	From    string        // name of the output or file
	Short   string        // digest
	Digest  string
}

// embedder reads and embeds figures.
type embedder struct {
	store    stages.InputStore
	warn     func(format string, args ...any)
	captions map[cache.Digest]string // by content, from the attribute
	count    int
	total    int64
}

// isFigure reports whether a file is to be embedded, by its name.
func isFigure(a artifact) bool {
	name := strings.ToLower(a.Name)
	if a.Table || a.Tree {
		return false
	}
	for _, ext := range []string{".svg", ".png", ".jpg", ".jpeg"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}

// embed makes a figure of a file. Only the store's failure is an error: a bad
// picture is a note in the page and a warning.
func (e *embedder) embed(ctx context.Context, a artifact, caption string) (figure, error) {
	f := figure{Caption: clean(caption), From: a.Name, Short: a.Short, Digest: a.Digest}
	if f.Caption == "" {
		f.Caption = clean(e.captions[a.object.Digest])
	}
	f.Alt = f.Caption
	if f.Alt == "" {
		f.Alt = "Figure: " + a.Path
	}
	if a.object.Size > maxFigure || e.total+a.object.Size > maxTotal {
		f.Note = fmt.Sprintf("The figure has %s, too much to embed.", a.Size)
		e.warn("%s (%s) is too large to embed in the report", a.Path, a.Size)
		return f, nil
	}
	doc, err := e.store.ReadAll(ctx, stages.File{Object: a.object, Name: a.Name})
	if err != nil {
		return f, fmt.Errorf("read figure %s: %w", a.Path, err)
	}
	e.total += int64(len(doc))
	e.count++
	if strings.HasSuffix(strings.ToLower(a.Name), ".svg") {
		e.embedSVG(&f, a, doc)
	} else {
		e.embedRaster(&f, a, doc)
	}
	if f.Caption == "" {
		f.Caption = a.Path
	}
	return f, nil
}

func (e *embedder) embedSVG(f *figure, a artifact, doc []byte) {
	svg, err := sanitizeSVG(doc, fmt.Sprintf("f%d-", e.count))
	switch {
	case err == nil:
		if t := clean(svg.Title); f.Caption == "" && t != "" {
			f.Caption, f.Alt = t, t
		}
		f.Inline = template.HTML(svg.Markup) //nolint:gosec // sanitizeSVG checks every part of it
	case errors.Is(err, errNotSVG) || !wellFormedSVG(doc):
		f.Note = "The file is no well-formed SVG document."
		e.warn("%s is no well-formed SVG document and is not shown", a.Path)
	default:
		e.warn("%s is shown as an image, not inline: %v", a.Path, err)
		f.Source = dataURI("image/svg+xml", doc)
	}
}

func (e *embedder) embedRaster(f *figure, a artifact, doc []byte) {
	typ := ""
	switch {
	case bytes.HasPrefix(doc, []byte("\x89PNG\r\n\x1a\n")):
		typ = "image/png"
	case bytes.HasPrefix(doc, []byte("\xff\xd8\xff")):
		typ = "image/jpeg"
	default:
		f.Note = "The file is no PNG or JPEG picture."
		e.warn("%s is no PNG or JPEG picture and is not shown", a.Path)
		return
	}
	f.Source = dataURI(typ, doc)
}

func dataURI(typ string, doc []byte) template.URL {
	var b bytes.Buffer
	b.WriteString("data:" + typ + ";base64,")
	b.WriteString(base64.StdEncoding.EncodeToString(doc))
	return template.URL(b.String()) //nolint:gosec // base64 of a type that runs no script in an image
}
