package html

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"

	"github.com/nbpipe/nbpipe/stages"
)

// tally counts outcomes.
type tally struct{ Reproduced, Not, Inconclusive int }

func (t tally) Total() int { return t.Reproduced + t.Not + t.Inconclusive }

// Short is the tally for a heading.
func (t tally) Short() string { return fmt.Sprintf("%d of %d reproduced", t.Reproduced, t.Total()) }

// count adds an outcome. A word that is none of the three is inconclusive.
func (t *tally) count(o stages.Outcome) {
	switch o {
	case stages.Reproduced:
		t.Reproduced++
	case stages.NotReproduced:
		t.Not++
	default:
		t.Inconclusive++
	}
}

// Words is the whole outcome in a sentence.
func (t tally) Words() string {
	n := t.Total()
	var rest []string
	if t.Not > 0 {
		rest = append(rest, fmt.Sprintf("%d did not reproduce", t.Not))
	}
	if t.Inconclusive > 0 {
		rest = append(rest, fmt.Sprintf("%d %s inconclusive", t.Inconclusive, plural(t.Inconclusive, "is", "are")))
	}
	switch {
	case n == 0:
		return "No statement is tested here."
	case n == 1 && t.Reproduced == 1:
		return "The one statement reproduced."
	case t.Reproduced == n:
		return fmt.Sprintf("All %d statements reproduced.", n)
	}
	return fmt.Sprintf("%d of %d %s reproduced; %s.", t.Reproduced, n, plural(n, "statement", "statements"), strings.Join(rest, " and "))
}

// Bar draws the tally as one bar of three parts; the words stand beside it.
func (t tally) Bar() template.HTML {
	var b strings.Builder
	b.WriteString(`<svg class="bar" viewBox="0 0 600 12" preserveAspectRatio="none" aria-hidden="true">`)
	x := 0.0
	for _, part := range []struct {
		n     int
		class string
	}{{t.Reproduced, "ok"}, {t.Inconclusive, "maybe"}, {t.Not, "no"}} {
		if part.n == 0 {
			continue
		}
		w := 600 * float64(part.n) / float64(t.Total())
		fmt.Fprintf(&b, `<rect class="fill-%s" x="%.1f" y="0" width="%.1f" height="12"/>`, part.class, x, math.Max(w-2, 1))
		x += w
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers and constants only
}

// verdictView is a row of the verdict table.
type verdictView struct {
	ID      string
	Class   string // ok, no, maybe
	Outcome string
	Reason  string
	Claim   string
	Kind    string // print, claim, own reading
	Limit   string
	Value   string
	Exact   string // the value with all digits
	Code    bool   // the value is text, not a number
	Span    string // the interval
	Plot    template.HTML
	Node    string // address
	Anchor  string // of the node's section
}

func viewVerdict(v stages.Verdict, id, anchor string) verdictView {
	d := verdictDecimals(v)
	out := verdictView{
		ID: id, Claim: clean(v.Claim), Kind: kindWord(v.Kind), Limit: clean(limitText(v)), Reason: clean(v.Reason),
		Node: clean(v.Node), Anchor: anchor, Plot: plot(v),
	}
	if out.Claim == "" {
		out.Claim = clean(v.Name)
	}
	if out.Claim == "" {
		out.Claim = "a statement without a name"
	}
	out.Class, out.Outcome = outcomeWord(v.Outcome)
	switch {
	case v.Text != "":
		out.Value, out.Code = clip(clean(v.Text), maxCell), true
	case finite(v.Value):
		out.Value, out.Exact = fixed(*v.Value, d), exact(*v.Value)
	case v.Value != nil && !math.IsNaN(*v.Value):
		out.Value = fixed(*v.Value, 0)
	default:
		out.Value = "not a number"
	}
	if v.Low != nil && v.High != nil && !math.IsNaN(*v.Low) && !math.IsNaN(*v.High) {
		out.Span = "[" + fixed(*v.Low, d) + ", " + fixed(*v.High, d) + "]"
	}
	return out
}

func outcomeWord(o stages.Outcome) (class, word string) {
	switch o {
	case stages.Reproduced:
		return "ok", "reproduced"
	case stages.NotReproduced:
		return "no", "not reproduced"
	}
	return "maybe", "inconclusive"
}

func kindWord(k string) string {
	switch k {
	case "own":
		return "own reading"
	case "":
		return "claim"
	}
	return clip(clean(k), 20)
}

// limitText is what the value is compared with.
func limitText(v stages.Verdict) string {
	var parts []string
	if v.Equals != nil {
		s := shortest(*v.Equals)
		if v.Tolerance != nil && *v.Tolerance > 0 {
			s += " ± " + shortest(*v.Tolerance)
		}
		parts = append(parts, s)
	}
	switch {
	case v.Min != nil && v.Max != nil:
		parts = append(parts, limitNumber(*v.Min, v)+" to "+limitNumber(*v.Max, v))
	case v.Min != nil:
		parts = append(parts, "≥ "+limitNumber(*v.Min, v))
	case v.Max != nil:
		parts = append(parts, "≤ "+limitNumber(*v.Max, v))
	}
	if v.Want != "" {
		parts = append(parts, v.Want)
	}
	if len(parts) == 0 {
		return "–"
	}
	return strings.Join(parts, ", ")
}

// limitNumber writes a limit as the file does, or, where it was computed and has
// many digits, with five significant ones: more where the value lies between
// the limit and its rounding.
func limitNumber(lim float64, v stages.Verdict) string {
	const significant, longest = 5, 17
	if isWhole(lim) || lim == 0 || decimalsOf(lim) <= significant+1 {
		return shortest(lim)
	}
	for n := significant; n < longest; n++ {
		r, err := strconv.ParseFloat(strconv.FormatFloat(lim, 'g', n, 64), 64)
		if err != nil || !finite(v.Value) || (*v.Value < r) == (*v.Value < lim) && (*v.Value > r) == (*v.Value > lim) {
			return shortest(r)
		}
	}
	return shortest(lim)
}

// verdictDecimals chooses the decimals of a verdict's value and interval: two
// significant digits of the tolerance or of half the interval, whichever is
// finer; at least those of the printed number; and enough that the rounded
// value lies on the same side of each limit as the exact one.
func verdictDecimals(v stages.Verdict) int {
	if !finite(v.Value) {
		return decimalsFor(grain(v))
	}
	x, g := *v.Value, grain(v)
	d := decimalsFor(g)
	if g == 0 && x != 0 && !isWhole(x) {
		d = min(max(0, 3-int(math.Floor(math.Log10(math.Abs(x))))), decimalsOf(x))
	}
	if v.Equals != nil && finite(v.Equals) {
		d = max(d, min(decimalsOf(*v.Equals), 9))
	}
	for ; d < 9; d++ {
		if rounded := round(x, d); sameSide(rounded, x, v) {
			break
		}
	}
	return d
}

// grain is the size below which differences do not matter, 0 if not known.
func grain(v stages.Verdict) float64 {
	g := 0.0
	if v.Tolerance != nil && *v.Tolerance > 0 {
		g = *v.Tolerance
	}
	if finite(v.Low) && finite(v.High) {
		if half := (*v.High - *v.Low) / 2; half > 0 && (g == 0 || half < g) {
			g = half
		}
	}
	return g
}

func finite(p *float64) bool { return p != nil && !math.IsNaN(*p) && !math.IsInf(*p, 0) }

func round(x float64, d int) float64 {
	p := math.Pow(10, float64(d))
	if r := math.Round(x*p) / p; !math.IsInf(r, 0) && !math.IsNaN(r) {
		return r
	}
	return x
}

func sameSide(a, b float64, v stages.Verdict) bool {
	for _, lim := range limits(v) {
		if (a < lim) != (b < lim) || (a > lim) != (b > lim) {
			return false
		}
	}
	return true
}

// limits are the edges of what reproduces.
func limits(v stages.Verdict) []float64 {
	var out []float64
	if finite(v.Min) {
		out = append(out, *v.Min)
	}
	if finite(v.Max) {
		out = append(out, *v.Max)
	}
	if finite(v.Equals) && finite(v.Tolerance) && *v.Tolerance > 0 {
		out = append(out, *v.Equals-*v.Tolerance, *v.Equals+*v.Tolerance)
	}
	return out
}

// plot draws a verdict: the band that reproduces, the interval, the value. The
// same numbers stand beside it as text.
func plot(v stages.Verdict) template.HTML {
	if !finite(v.Value) || (len(limits(v)) == 0 && !finite(v.Equals)) {
		return ""
	}
	const width, pad = 120.0, 8.0
	points := append(limits(v), *v.Value)
	for _, p := range []*float64{v.Low, v.High, v.Equals} {
		if finite(p) {
			points = append(points, *p)
		}
	}
	lo, hi := extent(points)
	at := func(x float64) float64 {
		if hi == lo || math.IsInf(hi-lo, 0) {
			return width / 2
		}
		return pad + (width-2*pad)*((x-lo)/(hi-lo))
	}
	left, right := band(v, at, width)
	class, _ := outcomeWord(v.Outcome)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="plot" viewBox="0 0 120 18" aria-hidden="true"><rect class="band" x="%.1f" y="2" width="%.1f" height="14"/>`, left, right-left)
	if finite(v.Low) && finite(v.High) {
		fmt.Fprintf(&b, `<line class="span" x1="%.1f" x2="%.1f" y1="9" y2="9"/>`, at(*v.Low), at(*v.High))
	}
	fmt.Fprintf(&b, `<circle class="fill-%s" cx="%.1f" cy="9" r="3.5"/></svg>`, html.EscapeString(class), at(*v.Value))
	return template.HTML(b.String()) //nolint:gosec // numbers and constants only
}

// band is the part of the plot that reproduces, at least 2 units wide.
func band(v stages.Verdict, at func(float64) float64, width float64) (left, right float64) {
	left, right = 0, width
	if finite(v.Equals) {
		tol := 0.0
		if finite(v.Tolerance) {
			tol = *v.Tolerance
		}
		left, right = at(*v.Equals-tol), at(*v.Equals+tol)
	}
	if finite(v.Min) {
		left = max(left, at(*v.Min))
	}
	if finite(v.Max) {
		right = min(right, at(*v.Max))
	}
	if right-left < 2 {
		mid := (left + right) / 2
		left, right = mid-1, mid+1
	}
	return left, right
}

func extent(xs []float64) (lo, hi float64) {
	lo, hi = xs[0], xs[0]
	for _, x := range xs[1:] {
		lo, hi = min(lo, x), max(hi, x)
	}
	return lo, hi
}
