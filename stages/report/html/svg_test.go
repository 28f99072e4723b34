package html

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// onePixel is a PNG of one pixel.
const onePixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="

func svgDoc(inner string) string {
	return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">` + inner + `</svg>`
}

func TestSanitizeSVG(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"shapes":           {svgDoc(`<path d="M0 0L1-2e3z" fill="#fff"/>`), `<path d="M0 0L1-2e3z" fill="#fff"/>`},
		"text is escaped":  {svgDoc(`<text>a &lt;b&gt; &amp;amp;</text>`), `<text>a &lt;b&gt; &amp;amp;</text>`},
		"cdata is text":    {svgDoc(`<text><![CDATA[<script>]]></text>`), `<text>&lt;script&gt;</text>`},
		"style":            {svgDoc(`<rect fill="red" style="fill: BLUE ;stroke:none;"/>`), `<rect fill="BLUE" stroke="none"/>`},
		"ids get a prefix": {svgDoc(`<linearGradient id="a"/><rect id="b" fill="url(#a)"/>`), `<linearGradient id="p-a"/><rect id="p-b" fill="url(#p-a)"/>`},
		"use":              {svgDoc(`<path id="g" d="M0"/><use xlink:href="#g" x="1"/>`), `<path id="p-g" d="M0"/><use x="1" href="#p-g"/>`},
		"png":              {svgDoc(`<image width="1" xlink:href="data:image/png;base64,` + onePixel + `"/>`), `<image width="1" href="data:image/png;base64,` + onePixel + `"/>`},
		"left out":         {svgDoc(`<!-- c --><?p i?><metadata><x:y xmlns:x="z"/></metadata><g class="verdict" data-x="1" id="a"/>`), `<g id="p-a"/>`},
		"title":            {svgDoc(`<title>T</title>`), `<title>T</title>`},
		"empty text":       {svgDoc(`<text/>`), `<text></text>`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := sanitizeSVG([]byte(tt.in), "p-")
			if err != nil {
				t.Fatal(err)
			}
			want := `<svg xmlns="http://www.w3.org/2000/svg" role="img"` + ">" + tt.want + "</svg>"
			if got.Markup != want {
				t.Errorf("got  %s\nwant %s", got.Markup, want)
			}
		})
	}
}

func TestSanitizeSVGRoot(t *testing.T) {
	in := `<!DOCTYPE svg PUBLIC "x" "y"><s:svg xmlns:s="http://www.w3.org/2000/svg" width="30pt" height="20" x="9" transform="scale(99)" role="group" aria-label="Verdict" visibility="hidden"><s:title> A </s:title></s:svg>`
	got, err := sanitizeSVG([]byte(in), "p-")
	if err != nil {
		t.Fatal(err)
	}
	want := `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="30pt" height="20" viewBox="0 0 30 20"><title> A </title></svg>`
	if got.Markup != want || got.Title != "A" {
		t.Errorf("got %s, title %q", got.Markup, got.Title)
	}
}

func TestSanitizeSVGRefuses(t *testing.T) {
	bomb := `<g id="a0"><rect/></g>`
	for i := range 20 {
		ref := `<use href="#a` + string(rune('0'+i)) + `"/>`
		bomb += `<g id="a` + string(rune('1'+i)) + `">` + ref + ref + `</g>`
	}
	tests := map[string]string{
		"script":            svgDoc(`<script>alert(1)</script>`),
		"foreignObject":     svgDoc(`<foreignObject/>`),
		"html element":      svgDoc(`<p xmlns="http://www.w3.org/1999/xhtml"/>`),
		"no namespace":      svgDoc(`<script xmlns=""/>`),
		"link":              svgDoc(`<a href="#x"/>`),
		"style element":     svgDoc(`<style>*{}</style>`),
		"animation":         svgDoc(`<animate/>`),
		"handler":           svgDoc(`<g onclick="alert(1)"/>`),
		"handler upper":     svgDoc(`<g ONCLICK="alert(1)"/>`),
		"unknown attribute": svgDoc(`<g overflow="visible"/>`),
		"position":          svgDoc(`<g style="position: fixed"/>`),
		"external image":    svgDoc(`<image href="https://example.org/x.png"/>`),
		"svg image":         svgDoc(`<image href="data:image/svg+xml;base64,AAAA"/>`),
		"no png":            svgDoc(`<image href="data:image/png;base64,AAAA"/>`),
		"external use":      svgDoc(`<use href="x.svg#a"/>`),
		"script use":        svgDoc(`<use href="javascript:alert(1)"/>`),
		"external paint":    svgDoc(`<rect fill="url(https://example.org/#a)"/>`),
		"upper paint":       svgDoc(`<rect fill="URL(//example.org)"/>`),
		"paint fallback":    svgDoc(`<rect fill="url(#a) url(//x)"/>`),
		"escaped paint":     svgDoc(`<rect fill="u\72l(//example.org)"/>`),
		"image function":    svgDoc(`<rect fill="image-set('//x')"/>`),
		"style url":         svgDoc(`<rect style="fill:url('//x')"/>`),
		"style comment":     svgDoc(`<rect style="fill:u/**/rl(//x)"/>`),
		"important":         svgDoc(`<rect style="fill:red !important"/>`),
		"url elsewhere":     svgDoc(`<rect x="url(#a)"/>`),
		"odd id":            svgDoc(`<g id="a b"/>`),
		"id twice":          svgDoc(`<g id="a"/><g id="a"/>`),
		"nested use":        svgDoc(`<g id="a"><use href="#a"/></g>`),
		"use bomb":          svgDoc(bomb),
		"pattern bomb":      svgDoc(`<pattern id="a"><rect fill="url(#a)"/></pattern>`),
		"wide use":          svgDoc(`<g id="a">` + strings.Repeat("<g/>", 1000) + `</g>` + strings.Repeat(`<use href="#a"/>`, 1000)),
		"deep":              svgDoc(strings.Repeat("<g>", 100) + strings.Repeat("</g>", 100)),
		"entities":          `<!DOCTYPE svg [<!ENTITY a "b">]>` + svgDoc(``),
		"stray text":        svgDoc(`<g>boo</g>`),
		"element in title":  svgDoc(`<title><g/></title>`),
		"large":             svgDoc(strings.Repeat(" ", maxInlineBytes)),
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := sanitizeSVG([]byte(in), "p-"); err == nil {
				t.Errorf("passes as %.300s", got.Markup)
			}
		})
	}
}

func TestNotSVG(t *testing.T) {
	for _, in := range []string{"", "text", "<html/>", "<svg/>", "<svg", svgDoc("<g>"), svgDoc("") + svgDoc(""), svgDoc("&nope;"), "\x00"} {
		if _, err := sanitizeSVG([]byte(in), "p-"); !errors.Is(err, errNotSVG) {
			t.Errorf("%q: %v", in, err)
		}
		if in != svgDoc("")+svgDoc("") && wellFormedSVG([]byte(in)) {
			t.Errorf("%q passes as well-formed", in)
		}
	}
}

// FuzzSanitizeSVG checks what comes out with a reader of its own.
func FuzzSanitizeSVG(f *testing.F) {
	for _, s := range []string{
		svgDoc(`<path id="a" d="M0 0"/><use xlink:href="#a"/><text style="fill:red">x</text>`),
		svgDoc(`<image href="data:image/png;base64,` + onePixel + `"/>`),
		svgDoc(`<script>alert(1)</script>`), svgDoc(`<g onclick="x"/>`), svgDoc(`<rect fill="url(#a)"/>`), `<svg`,
		`<s:svg xmlns:s="http://www.w3.org/2000/svg" width="1" height="2"><s:title>&lt;</s:title></s:svg>`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := sanitizeSVG(doc, "p-")
		if err != nil {
			return
		}
		if again, err := sanitizeSVG([]byte(got.Markup), ""); err != nil || again.Markup != got.Markup {
			t.Fatalf("not stable: %v\n%s\n%s", err, got.Markup, again.Markup)
		}
		inspect(t, got.Markup)
	})
}

func inspect(t *testing.T, markup string) {
	if strings.ContainsAny(markup, "\x00") || strings.Contains(markup, "<!") || strings.Contains(markup, "<?") {
		t.Fatalf("markup %q", markup)
	}
	d := xml.NewDecoder(strings.NewReader(markup))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%v in %q", err, markup)
		}
		s, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		if !svgElements[s.Name.Local] {
			t.Fatalf("element %s", s.Name.Local)
		}
		for _, a := range s.Attr {
			name, v := a.Name.Local, strings.ToLower(a.Value)
			switch {
			case strings.HasPrefix(strings.ToLower(name), "on") || name == "style" || name == "class":
				t.Fatalf("attribute %s", name)
			case name == "href" && !strings.HasPrefix(v, "#p-") && !strings.HasPrefix(v, "data:image/png;base64,"):
				t.Fatalf("href %q", v)
			case name == "id" && !strings.HasPrefix(v, "p-"):
				t.Fatalf("id %q", v)
			case name != "aria-label" && name != "href" && strings.Contains(v, "url(") && !strings.HasPrefix(v, "url(#p-"):
				t.Fatalf("%s = %q", name, v)
			}
		}
	}
}
