package lang

import (
	"fmt"
	"math"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/lang/diagnostic"
	"github.com/nbpipe/nbpipe/stages"
)

// resources is a `resources` block.
type resources struct {
	header hcl.Range
	values map[string]*expression
}

var resourceNames = []string{"cpus", "disk", "exclusive", "gpu_model", "gpus", "memory", "time"}

func (l *loader) resourcesBlock(t *template, b *hclsyntax.Block, each bool) {
	if !l.labels(b, "resources { ... }", 0) {
		return
	}
	if t.resources != nil {
		l.duplicate(b.TypeRange, t.resources.header, "The node's resources block")
		return
	}
	l.onlyAttributes(b, resourceNames)
	t.resources = &resources{header: b.DefRange(), values: map[string]*expression{}}
	for _, name := range resourceNames {
		if a := b.Body.Attributes[name]; a != nil {
			t.resources.values[name] = l.compile(a.Expr, t.mod, nil, scope{each: each, noNodes: true, what: "the attribute " + name})
		}
	}
}

// Resources evaluates a node's resources block; false when it has none.
func (s *State) Resources(n *Node) (stages.Resources, bool, hcl.Diagnostics) {
	var out stages.Resources
	var diags hcl.Diagnostics
	t := n.inst.tmpl
	if t.resources == nil {
		return out, false, nil
	}
	for _, name := range resourceNames {
		ex := t.resources.values[name]
		if ex == nil || ex.broken {
			continue
		}
		v, d := s.evalWith(ex, n.inst, nil)
		diags = append(diags, d...)
		if d.HasErrors() || v.IsNull() || !v.IsKnown() {
			continue
		}
		if v.IsMarked() {
			diags = append(diags, sensitiveHere(ex.expr.Range(), "A resources block"))
			continue
		}
		if why := setResource(&out, name, v); why != "" {
			diags = append(diags, diagnostic.Error(ex.expr.Range(), "Wrong amount", "%s, this is %s.", why, diagnostic.Given(v)))
		}
	}
	return out, true, append(diags, s.takeProblems()...)
}

// setResource reads one amount; it says what is wanted where it does not fit.
func setResource(r *stages.Resources, name string, v cty.Value) string {
	number, isNumber := floatOf(v)
	text := ""
	if v.Type() == cty.String {
		text = v.AsString()
	}
	switch name {
	case "cpus":
		if !isNumber || number <= 0 || number > 1e6 {
			return "cpus is a number of cores greater than 0"
		}
		r.CPUs = number
	case "exclusive":
		if v.Type() != cty.Bool {
			return "exclusive is true, for a machine of its own, or false"
		}
		r.Exclusive = v.True()
	case "gpus":
		return setGPUs(r, number, isNumber)
	case "gpu_model":
		const longest = 100
		if len(text) > longest || !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			return `gpu_model is a model as nvidia-smi names it, or some words of that, such as "A100" or "RTX 3090"`
		}
		r.GPUModel = text
		r.GPUs = 1 // unless gpus, which comes after, says another number
	case "memory", "disk":
		n, err := bytesOf(text)
		if isNumber {
			n, err = number, nil
		}
		if err != nil || n < 1 || n > 1<<60 {
			return name + " is a number of bytes, or a text such as \"16GiB\" (units B, kB, MB, GB, TB, KiB, MiB, GiB, TiB)"
		}
		if name == "disk" {
			r.Disk = int64(n)
		} else {
			r.Memory = int64(n)
		}
	case "time":
		n, err := stages.ParseSeconds(text)
		if isNumber {
			n, err = number, nil
		}
		if err != nil || n <= 0 || n > 1e10 {
			return "time is a number of seconds, or a text such as \"8h\", \"90m\" or \"1d12h\" (units s, m, h, d)"
		}
		r.Time = int64(math.Ceil(n))
	}
	return ""
}

func setGPUs(r *stages.Resources, number float64, isNumber bool) string {
	const smallest = 0.01 // so that what shares a GPU can be counted
	whole := number == math.Trunc(number)
	switch {
	case !isNumber || number < 0 || number > 1e6 || !whole && (number > 1 || number < smallest):
		return "gpus is a whole number that is not negative, or the share of one GPU, such as 0.5"
	case number == 0 && r.GPUModel != "":
		return "gpus is at least 1 where gpu_model is set"
	case !whole:
		r.GPUs, r.GPUShare = 1, number
	default:
		r.GPUs = int(number)
	}
	return ""
}

var byteUnits = map[string]float64{"": 1, "b": 1,
	"k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "t": 1e12, "tb": 1e12,
	"ki": 1 << 10, "kib": 1 << 10, "mi": 1 << 20, "mib": 1 << 20, "gi": 1 << 30, "gib": 1 << 30, "ti": 1 << 40, "tib": 1 << 40}

func bytesOf(s string) (float64, error) {
	n, unit, rest, err := stages.CutAmount(s)
	factor, ok := byteUnits[strings.ToLower(unit)]
	if err != nil || !ok || rest != "" {
		return 0, fmt.Errorf("%q is no amount of memory", s)
	}
	return n * factor, nil
}
