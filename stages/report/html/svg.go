package html

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"image/png"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const svgNS = "http://www.w3.org/2000/svg"

// Bounds of an SVG that is put inline. Larger ones are shown as an image, which
// keeps the page's own document small.
const (
	maxInlineBytes = 3 << 20
	maxElements    = 200_000
	maxDepth       = 64
	maxExpanded    = 400_000  // elements after every <use> is followed
	maxPixels      = 16 << 20 // of one embedded PNG, decoded
)

// errNotSVG says that the bytes are no well-formed SVG document, so that no
// browser would show them.
var errNotSVG = errors.New("not a well-formed SVG document")

// svgInline is an SVG that may stand in a page.
type svgInline struct {
	Markup string // the whole <svg> element, without alternative text
	Title  string // its own title, "" if it has none
}

// svgNode is an element of the safe subset.
type svgNode struct {
	name     string
	attrs    []xml.Attr // Name.Local and Value only, checked, in document order
	children []any      // *svgNode or string
	id       string     // unprefixed
	refs     bool       // has a url(#...) reference
	use      string     // target of a <use>, unprefixed
}

// Elements that may stand inline. Not on the list, on purpose: script,
// foreignObject, a, style, animation, filters, iframe, audio, video.
var svgElements = set("svg", "g", "defs", "symbol", "use", "title", "desc", "path", "rect", "circle", "ellipse", "line",
	"polyline", "polygon", "text", "tspan", "textPath", "linearGradient", "radialGradient", "stop", "clipPath", "mask",
	"pattern", "marker", "image")

// Attributes that may stand inline, by exact name.
var svgAttributes = set("id", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "fx", "fy", "fr", "dx", "dy",
	"width", "height", "d", "points", "pathLength", "transform", "rotate", "textLength", "lengthAdjust", "startOffset",
	"viewBox", "preserveAspectRatio", "offset", "spreadMethod", "gradientUnits", "gradientTransform", "clipPathUnits",
	"maskUnits", "maskContentUnits", "patternUnits", "patternContentUnits", "patternTransform", "markerUnits",
	"markerWidth", "markerHeight", "refX", "refY", "orient", "href", "aria-label", "aria-hidden", "role")

// Presentation attributes, which may also stand in a style attribute. Not on
// the list: overflow and cursor, which reach out of the figure.
var svgProperties = set("fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap",
	"stroke-linejoin", "stroke-miterlimit", "stroke-dasharray", "stroke-dashoffset", "opacity", "color", "stop-color",
	"stop-opacity", "clip-path", "clip-rule", "mask", "marker-start", "marker-mid", "marker-end", "font-family", "font-size",
	"font-style", "font-weight", "font-stretch", "font-variant", "text-anchor", "dominant-baseline", "alignment-baseline",
	"baseline-shift", "letter-spacing", "word-spacing", "text-decoration", "writing-mode", "direction", "unicode-bidi",
	"display", "visibility", "vector-effect", "shape-rendering", "text-rendering", "image-rendering", "color-interpolation",
	"color-rendering", "paint-order")

// Attributes that change nothing without a style sheet or script: left out.
var svgIgnored = set("class", "version", "baseProfile", "enable-background", "focusable", "tabindex", "lang",
	"contentScriptType", "contentStyleType", "zoomAndPan")

// Functions that may stand in an attribute's value; url is checked apart.
var svgFunctions = set("rgb", "rgba", "hsl", "hsla", "matrix", "translate", "scale", "rotate", "skewX", "skewY", "url")

var (
	idPattern       = regexp.MustCompile(`^[A-Za-z_][\w.:-]*$`)
	localURL        = regexp.MustCompile(`^url\(#([A-Za-z_][\w.:-]*)\)$`)
	functionPattern = regexp.MustCompile(`([A-Za-z_-][\w-]*)?\s*\(`)
	lengthPattern   = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(?:px|pt)?$`)
)

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// sanitizeSVG returns the SVG in doc as markup that is safe inside an HTML page:
// only listed elements and attributes; references only to ids of its own, which
// get the prefix so that figures do not clash; raster images only as PNG data.
// Comments, processing instructions, metadata and foreign attributes are left
// out. Anything else that is not on a list is an error, as the picture would
// differ from what its author drew. errNotSVG stands for what no browser shows.
func sanitizeSVG(doc []byte, prefix string) (svgInline, error) {
	root, err := parseSVG(doc)
	if err != nil {
		return svgInline{}, err
	}
	if err := checkReferences(root); err != nil {
		return svgInline{}, err
	}
	frameRoot(root)
	var b strings.Builder
	root.write(&b, prefix, true)
	return svgInline{Markup: b.String(), Title: root.title()}, nil
}

// wellFormedSVG reports whether an image element could show doc.
func wellFormedSVG(doc []byte) bool {
	d := xml.NewDecoder(bytes.NewReader(doc))
	root := false
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return root
		}
		if err != nil {
			return false
		}
		if s, ok := tok.(xml.StartElement); ok && !root {
			if s.Name.Local != "svg" || s.Name.Space != svgNS {
				return false
			}
			root = true
		}
	}
}

// svgParser builds the tree of an SVG.
type svgParser struct {
	d     *xml.Decoder
	root  *svgNode
	stack []*svgNode
	count int
}

func parseSVG(doc []byte) (*svgNode, error) {
	if len(doc) > maxInlineBytes {
		return nil, fmt.Errorf("%d bytes are too many to stand inline", len(doc))
	}
	p := &svgParser{d: xml.NewDecoder(bytes.NewReader(doc))}
	for {
		tok, err := p.d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNotSVG, err)
		}
		if err := p.token(tok); err != nil {
			return nil, err
		}
	}
	if p.root == nil {
		return nil, errNotSVG
	}
	return p.root, nil
}

func (p *svgParser) token(tok xml.Token) error {
	switch t := tok.(type) {
	case xml.StartElement:
		return p.start(t)
	case xml.EndElement:
		p.stack = p.stack[:len(p.stack)-1]
	case xml.CharData:
		if n := len(p.stack); n > 0 {
			if top := p.stack[n-1]; holdsText(top.name) {
				top.children = append(top.children, string(t))
			} else if len(bytes.TrimSpace(t)) > 0 {
				return fmt.Errorf("text inside <%s>", top.name)
			}
		}
	case xml.Directive:
		if bytes.ContainsAny(t, "[") { // entities of its own
			return errors.New("a document type with declarations")
		}
	}
	return nil
}

func holdsText(name string) bool {
	return name == "text" || name == "tspan" || name == "textPath" || name == "title" || name == "desc"
}

func (p *svgParser) start(t xml.StartElement) error {
	if t.Name.Local == "metadata" && t.Name.Space == svgNS && p.root != nil {
		if err := p.d.Skip(); err != nil {
			return fmt.Errorf("%w: %w", errNotSVG, err)
		}
		return nil
	}
	if t.Name.Space != svgNS || !svgElements[t.Name.Local] {
		if p.root == nil {
			return errNotSVG
		}
		return fmt.Errorf("element <%s>", t.Name.Local)
	}
	if p.count++; p.count > maxElements || len(p.stack) >= maxDepth {
		return errors.New("too many or too deeply nested elements")
	}
	n, err := newSVGNode(t)
	if err != nil {
		return err
	}
	if err := p.attach(n); err != nil {
		return err
	}
	p.stack = append(p.stack, n)
	return nil
}

func (p *svgParser) attach(n *svgNode) error {
	if p.root == nil {
		if n.name != "svg" {
			return errNotSVG
		}
		p.root = n
		return nil
	}
	if len(p.stack) == 0 {
		return errNotSVG
	}
	top := p.stack[len(p.stack)-1]
	if top.name == "title" || top.name == "desc" {
		return fmt.Errorf("element inside <%s>", top.name)
	}
	top.children = append(top.children, n)
	return nil
}

func newSVGNode(t xml.StartElement) (*svgNode, error) {
	n := &svgNode{name: t.Name.Local}
	for _, a := range t.Attr {
		if err := n.take(a); err != nil {
			return nil, fmt.Errorf("<%s>: %w", n.name, err)
		}
	}
	return n, nil
}

// take checks an attribute and adds it, or leaves it out, or fails.
func (n *svgNode) take(a xml.Attr) error {
	name := a.Name.Local
	switch {
	case a.Name.Space == "http://www.w3.org/1999/xlink" && name == "href":
		return n.takeHref(a.Value)
	case a.Name.Space != "" || name == "xmlns" || svgIgnored[name] || strings.HasPrefix(name, "data-"):
		return nil
	case name == "href":
		return n.takeHref(a.Value)
	case name == "style":
		return n.takeStyle(a.Value)
	case svgProperties[name]:
		return n.takeProperty(name, a.Value)
	case name == "id":
		if !idPattern.MatchString(a.Value) {
			return errors.New("id of unusual form")
		}
		n.id = a.Value
	case name == "role" && !slices.Contains([]string{"img", "presentation", "none", "group"}, a.Value):
		return errors.New("role " + strconv.Quote(a.Value))
	case !svgAttributes[name]:
		return fmt.Errorf("attribute %s", name)
	case name != "aria-label" && !plainValue(a.Value):
		return fmt.Errorf("value of %s", name)
	}
	n.set(name, a.Value)
	return nil
}

// set adds an attribute; a later one of the same name wins, as style does over
// presentation attributes.
func (n *svgNode) set(name, value string) {
	for i := range n.attrs {
		if n.attrs[i].Name.Local == name {
			n.attrs[i].Value = value
			return
		}
	}
	n.attrs = append(n.attrs, xml.Attr{Name: xml.Name{Local: name}, Value: value})
}

func (n *svgNode) takeHref(v string) error {
	v = strings.TrimSpace(v)
	switch n.name {
	case "use":
		if !strings.HasPrefix(v, "#") || !idPattern.MatchString(v[1:]) {
			return errors.New("reference out of the document")
		}
		n.use = v[1:]
	case "image":
		if err := checkPNG(v); err != nil {
			return err
		}
		n.set("href", v)
	default:
		return errors.New("reference")
	}
	return nil
}

// checkPNG accepts a data URI of a PNG of bounded size.
func checkPNG(uri string) error {
	data, ok := strings.CutPrefix(uri, "data:image/png;base64,")
	if !ok {
		return errors.New("an image that is no PNG data")
	}
	strip := strings.NewReplacer("\n", "", "\r", "", "\t", "", " ", "")
	raw, err := base64.StdEncoding.DecodeString(strip.Replace(data))
	if err != nil {
		return fmt.Errorf("PNG data: %w", err)
	}
	return checkPixels(raw)
}

func checkPixels(raw []byte) error {
	c, err := png.DecodeConfig(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("PNG data: %w", err)
	}
	if int64(c.Width)*int64(c.Height) > maxPixels {
		return errors.New("PNG of too many pixels")
	}
	return nil
}

// takeStyle turns a style attribute into presentation attributes.
func (n *svgNode) takeStyle(v string) error {
	for decl := range strings.SplitSeq(v, ";") {
		if strings.TrimSpace(decl) == "" {
			continue
		}
		name, value, ok := strings.Cut(decl, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if !ok || !svgProperties[name] {
			return fmt.Errorf("style %q", name)
		}
		if err := n.takeProperty(name, strings.TrimSpace(value)); err != nil {
			return err
		}
	}
	return nil
}

func (n *svgNode) takeProperty(name, v string) error {
	v = strings.TrimSpace(v)
	if strings.Contains(strings.ToLower(v), "url") && name != "font-family" {
		if !localURL.MatchString(v) {
			return fmt.Errorf("value of %s", name)
		}
		n.refs = true
	} else if !plainValue(v) {
		return fmt.Errorf("value of %s", name)
	}
	n.set(name, v)
	return nil
}

// plainValue reports whether a value has only functions that name nothing
// outside it: numbers, colours, transforms.
func plainValue(v string) bool {
	if strings.ContainsAny(v, "\\@;{}<>") || strings.Contains(v, "/*") || strings.Contains(v, "!") {
		return false
	}
	for _, m := range functionPattern.FindAllStringSubmatch(v, -1) {
		if !svgFunctions[m[1]] || m[1] == "url" {
			return false
		}
	}
	return true
}

// checkReferences bounds what references can blow up to: what is used, and the
// content of a pattern, mask, marker, symbol or clip path, refers to nothing.
func checkReferences(root *svgNode) error {
	byID := map[string]*svgNode{}
	total := 0
	var uses []*svgNode
	err := root.walk(func(n *svgNode) error {
		if n.id != "" {
			if byID[n.id] != nil {
				return errors.New("an id stands twice")
			}
			byID[n.id] = n
		}
		if n.use != "" {
			uses = append(uses, n)
		}
		if isContainer(n.name) && n.refersInside() {
			return fmt.Errorf("nested references in <%s>", n.name)
		}
		total++
		return nil
	})
	if err != nil {
		return err
	}
	sizes := map[string]int{}
	for _, u := range uses {
		size, seen := sizes[u.use]
		if target := byID[u.use]; !seen && target != nil {
			if target.refs || target.use != "" || target.refersInside() {
				return errors.New("nested use")
			}
			_ = target.walk(func(*svgNode) error { size++; return nil })
			sizes[u.use] = size
		}
		if total += size; total > maxExpanded {
			return errors.New("uses that expand too far")
		}
	}
	return nil
}

func isContainer(name string) bool {
	return name == "pattern" || name == "mask" || name == "marker" || name == "symbol" || name == "clipPath"
}

// refersInside reports whether a descendant uses or refers to another element.
func (n *svgNode) refersInside() bool {
	found := errors.New("found")
	return n.walk(func(c *svgNode) error {
		if c != n && (c.refs || c.use != "") {
			return found
		}
		return nil
	}) != nil
}

func (n *svgNode) walk(f func(*svgNode) error) error {
	if err := f(n); err != nil {
		return err
	}
	for _, c := range n.children {
		if e, ok := c.(*svgNode); ok {
			if err := e.walk(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// frameRoot drops from the outermost element what would move it out of its
// place in the page, gives it a viewBox so that it scales, and a size of its
// own where the viewBox is one of pixels, so that a narrow page can scroll it.
func frameRoot(root *svgNode) {
	root.attrs = slices.DeleteFunc(root.attrs, func(a xml.Attr) bool {
		n := a.Name.Local
		return n == "transform" || n == "x" || n == "y" || n == "display" || n == "visibility" ||
			n == "role" || strings.HasPrefix(n, "aria-")
	})
	w, h := lengthPattern.FindStringSubmatch(root.attr("width")), lengthPattern.FindStringSubmatch(root.attr("height"))
	if root.attr("viewBox") == "" && w != nil && h != nil {
		root.set("viewBox", "0 0 "+w[1]+" "+h[1])
	}
	if box := strings.Fields(strings.ReplaceAll(root.attr("viewBox"), ",", " ")); len(box) == 4 && root.attr("width") == "" {
		width, err := strconv.ParseFloat(box[2], 64)
		if err == nil && width >= 300 && width <= 2000 && lengthPattern.MatchString(box[2]) && lengthPattern.MatchString(box[3]) {
			root.set("width", box[2])
			root.set("height", box[3])
		}
	}
}

func (n *svgNode) attr(name string) string {
	for _, a := range n.attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// title is the text of the root's own title.
func (n *svgNode) title() string {
	for _, c := range n.children {
		if e, ok := c.(*svgNode); ok && e.name == "title" {
			var b strings.Builder
			for _, t := range e.children {
				b.WriteString(t.(string))
			}
			return strings.TrimSpace(b.String())
		}
	}
	return ""
}

// write serialises the element so that HTML and XML parsers read the same.
func (n *svgNode) write(b *strings.Builder, prefix string, root bool) {
	b.WriteString("<" + n.name)
	if root {
		b.WriteString(` xmlns="` + svgNS + `" role="img"`)
	}
	for _, a := range n.attrs {
		v := a.Value
		switch {
		case a.Name.Local == "id":
			v = prefix + v
		case svgProperties[a.Name.Local]:
			v = localURL.ReplaceAllString(v, "url(#"+prefix+"$1)")
		}
		b.WriteString(" " + a.Name.Local + `="` + html.EscapeString(v) + `"`)
	}
	if n.use != "" {
		b.WriteString(` href="#` + prefix + n.use + `"`)
	}
	if len(n.children) == 0 && !holdsText(n.name) {
		b.WriteString("/>")
		return
	}
	b.WriteString(">")
	for _, c := range n.children {
		switch c := c.(type) {
		case string:
			b.WriteString(html.EscapeString(c))
		case *svgNode:
			c.write(b, prefix, false)
		}
	}
	b.WriteString("</" + n.name + ">")
}
