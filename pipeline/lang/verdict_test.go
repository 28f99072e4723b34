package lang_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/racetest"
)

// hypothesisWith makes an experiment with one expectation.
func hypothesisWith(t *testing.T, body string) (*lang.Experiment, *lang.State) {
	dir := writeFiles(t, map[string]string{"x.hcl": `
hypothesis "rank_transfer" "h" {
  tables = []
  from   = "a"
  to     = ["cifar10"]
  expect "e" {
    claim = "c"
` + body + `
  }
}`})
	return loadOK(t, dir, options())
}

func number(f float64) cty.Value { return stages.NumberValue(f) }

// outputs are the node's: a coefficient with its interval, and a plain count.
func outputs(value, low, high float64) cty.Value {
	e := cty.ObjectVal(map[string]cty.Value{"value": number(value), "ci_low": number(low), "ci_high": number(high), "p": number(0)})
	return cty.ObjectVal(map[string]cty.Value{
		"spearman": cty.ObjectVal(map[string]cty.Value{"cifar10": e}),
		"count":    number(value), "label": cty.StringVal("good"), "ok": cty.True,
	})
}

func TestVerdict(t *testing.T) {
	const point, object = "value = self.spearman[\"cifar10\"].value\n", "value = self.spearman.cifar10\n"
	nan := math.NaN()
	tests := []struct {
		name             string
		body             string
		value, low, high float64
		want             stages.Outcome
		reason           string
	}{
		{"inside", point + "min = 0.9", 0.95, 0.9, 0.99, stages.Reproduced, ""},
		{"on the limit", point + "min = 0.9", 0.9, 0.8, 0.95, stages.Reproduced, ""},
		{"below, interval reaches in", point + "min = 0.9", 0.88, 0.8, 0.91, stages.Inconclusive, "0.02 below the limit 0.9, but its interval [0.8, 0.91] reaches the limits"},
		{"below, interval does not", point + "min = 0.9", 0.8, 0.7, 0.85, stages.NotReproduced, "0.1 below the limit 0.9"},
		{"above", point + "max = 0.5", 0.8, 0.7, 0.85, stages.NotReproduced, "0.3 above the limit 0.5"},
		{"object instead of its value", object + "min = 0.9", 0.88, 0.8, 0.91, stages.Inconclusive, "reaches"},
		{"index instead of member", "value = self.spearman[\"cifar10\"][\"value\"]\nmin = 0.9", 0.88, 0.8, 0.91, stages.Inconclusive, "reaches"},
		{"computed key", "value = self.spearman[lower(\"CIFAR10\")].value\nmin = 0.9", 0.88, 0.8, 0.91, stages.Inconclusive, "reaches"},
		{"an end inside", "value = self.spearman.cifar10.ci_low\nmin = 0.9", 0.95, 0.91, 0.99, stages.Reproduced, ""},
		{"an end outside, the other inside", "value = self.spearman.cifar10.ci_low\nmin = 0.9", 0.95, 0.89, 0.99, stages.Inconclusive, "reaches"},
		{"both ends outside", "value = self.spearman.cifar10.ci_high\nmax = 0.9", 0.95, 0.91, 0.99, stages.NotReproduced, "above the limit 0.9"},
		{"no interval", "value = self.count\nmin = 0.9", 0.88, 0.8, 0.91, stages.NotReproduced, "0.02 below"},
		{"given interval", "value = self.count\nmin = 0.9\ninterval = [0.8, self.spearman.cifar10.ci_high]", 0.88, 0.8, 0.91, stages.Inconclusive, "reaches"},
		{"equals within the printed digits", point + "equals = 0.9802", 0.98024, nan, nan, stages.Reproduced, ""},
		{"equals half a unit off", point + "equals = 0.9802", 0.98025, nan, nan, stages.Reproduced, ""},
		{"equals just over half a unit", point + "equals = 0.9802", 0.980251, nan, nan, stages.NotReproduced, "differs from 0.9802 by 5.1e-05, more than the tolerance 5e-05"},
		{"equals, interval reaches in", point + "equals = 0.9802", 0.99, 0.97, 0.999, stages.Inconclusive, "reaches"},
		{"a trailing zero counts", point + "equals = 1.50", 1.506, nan, nan, stages.NotReproduced, "tolerance 0.005"},
		{"negative", point + "equals = -0.00076", -0.000764, nan, nan, stages.Reproduced, ""},
		{"exponent", point + "equals = 1e-3", 0.0014, nan, nan, stages.Reproduced, ""},
		{"whole number", point + "equals = 6466", 6466.5, nan, nan, stages.Reproduced, ""},
		{"whole number off by one", point + "equals = 6466", 6467, nan, nan, stages.NotReproduced, "by 1, more than the tolerance 0.5"},
		{"own tolerance", point + "equals = 0.5\ntolerance = 0.2", 0.65, nan, nan, stages.Reproduced, ""},
		{"zero tolerance forgives only binary fractions", point + "equals = 0.3\ntolerance = 0", 0.1 + 0.2, nan, nan, stages.Reproduced, ""},
		{"without its interval", point + "min = 0.9\ninterval = null", 0.88, 0.8, 0.91, stages.NotReproduced, "0.02 below the limit 0.9"},
		{"NaN", point + "min = 0.9", nan, 0.8, 0.95, stages.Inconclusive, "NaN"},
		{"NaN in the interval", point + "min = 0.9", 0.8, nan, 0.95, stages.NotReproduced, "0.1 below"},
		{"infinite", "value = self.count\nmax = -5", math.Inf(-1), nan, nan, stages.Reproduced, ""},
		{"text", "value = self.label\nequals = \"good\"", 0, 0, 0, stages.Reproduced, ""},
		{"other text", "value = self.label\nequals = \"bad\"", 0, 0, 0, stages.NotReproduced, "it is good, not bad"},
		{"bool", "value = self.ok\nequals = true", 0, 0, 0, stages.Reproduced, ""},
		{"min and max", point + "min = 0.2\nmax = 0.3", 0.25, nan, nan, stages.Reproduced, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			x, s := hypothesisWith(t, tc.body)
			vs, diags := s.Verdicts(x.Nodes[0], outputs(tc.value, tc.low, tc.high))
			if len(diags) > 0 || len(vs) != 1 {
				t.Fatalf("%d verdicts; %v", len(vs), diags)
			}
			if v := vs[0]; v.Outcome != tc.want || !strings.Contains(v.Reason, tc.reason) || tc.reason == "" && v.Reason != "" {
				t.Errorf("%s (%s), want %s (%s)", v.Outcome, v.Reason, tc.want, tc.reason)
			}
		})
	}
}

func TestVerdictOfUnknown(t *testing.T) {
	x, s := hypothesisWith(t, "value = self.spearman.cifar10.value\nmin = 0.5")
	vs, diags := s.Verdicts(x.Nodes[0], s.Get(x.Nodes[0]))
	if len(diags) > 0 || len(vs) != 1 || vs[0].Outcome != stages.Inconclusive || vs[0].Reason != "the value is not known yet" {
		t.Errorf("%+v; %v", vs, diags)
	}
}

func TestVerdictPerInstance(t *testing.T) {
	dir := writeFiles(t, map[string]string{"x.hcl": `
variable "limits" { default = { a = 0.5, b = 0.9 } }
hypothesis "rank_transfer" "h" {
  for_each = var.limits
  tables   = []
  from     = each.key
  to       = ["cifar10"]
  expect "e" {
    value = self.spearman["cifar10"].value
    min   = each.value
    claim = "at least ${each.value} for ${each.key}"
  }
}`})
	x, s := loadOK(t, dir, options())
	want := []string{"a reproduced at least 0.5 for a", "b not reproduced at least 0.9 for b"}
	for i, n := range x.Nodes {
		vs, diags := s.Verdicts(n, outputs(0.7, 0.65, 0.75))
		if len(diags) > 0 {
			t.Fatal(diags)
		}
		if got := fmt.Sprintf("%s %s %s", *n.EachKey, vs[0].Outcome, vs[0].Claim); got != want[i] {
			t.Errorf("got %q, want %q", got, want[i])
		}
	}
}

// TestVerdictTypeAfterRun covers members that only the run reveals.
func TestVerdictMissingAfterRun(t *testing.T) {
	dir := writeFiles(t, map[string]string{"x.hcl": `
hypothesis "rank_transfer" "h" {
  tables = []
  from   = "a"
  to     = [hypothesis.first.label]
  expect "e" {
    value = self.spearman["cifar1O"].value
    min   = 1
    claim = "c"
  }
}
hypothesis "rank_transfer" "first" {
  tables = []
  from   = "a"
  to     = ["b"]
}`})
	x, diags := lang.Load(context.Background(), dir, options())
	if diags.HasErrors() {
		t.Fatal(text(x, diags))
	}
	s := x.NewState()
	if diags := x.Check(s); len(diags) > 0 {
		t.Fatalf("the task is not known before the run, so its name cannot be wrong:\n%s", text(x, diags))
	}
	vs, diags := s.Verdicts(x.Nodes[1], outputs(1, 1, 1))
	if len(diags) > 0 || len(vs) != 1 || vs[0].Outcome != stages.Inconclusive || !strings.Contains(vs[0].Reason, `Did you mean "cifar10"`) {
		t.Errorf("got %+v\n%s", vs, text(x, diags))
	}
}

func TestVerdictForEach(t *testing.T) {
	dir := writeFiles(t, map[string]string{"x.hcl": `
variable "printed" { default = { spearman = 0.7, count = 0.8 } }
hypothesis "rank_transfer" "h" {
  tables = []
  from   = "a"
  to     = ["cifar10"]
  expect "print" {
    for_each  = var.printed
    value     = { spearman = self.spearman["cifar10"], count = { value = self.count } }[each.key].value
    equals    = each.value
    tolerance = 0.05
    claim     = "${each.key} is ${each.value}"
  }
  expect "none" {
    for_each = toset([])
    value    = self.count
    min      = each.key
    claim    = "nothing"
  }
  expect "key" {
    for_each = toset(["cifar10"])
    value    = self.spearman[each.key].value
    min      = 0.74
    claim    = each.value
  }
  expect "last" {
    value = self.count
    min   = 0
    claim = "no each"
  }
}`})
	x, s := loadOK(t, dir, options())
	if n := x.Nodes[0].Expects; n != 4 {
		t.Errorf("%d expect blocks", n)
	}
	vs, diags := s.Verdicts(x.Nodes[0], outputs(0.7, 0.65, 0.75))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	var got []string
	for _, v := range vs {
		got = append(got, fmt.Sprintf("%s: %s, %s", v.Name, v.Claim, v.Outcome))
	}
	want := []string{
		"print[count]: count is 0.8, not reproduced", "print[spearman]: spearman is 0.7, reproduced",
		"key[cifar10]: cifar10, inconclusive", // the interval is found behind a computed key, too
		"last: no each, reproduced",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestVerdictForEachOfBoth has an expectation for each element of what the node's
// own for_each gives: inside, each is the expectation's.
func TestVerdictForEachOfBoth(t *testing.T) {
	dir := writeFiles(t, map[string]string{"x.hcl": `
hypothesis "rank_transfer" "h" {
  for_each = { a = { low = 0.5, high = 0.9 }, b = {} }
  tables   = []
  from     = each.key
  to       = ["cifar10"]
  expect "e" {
    for_each = { for name, limit in each.value : "${each.key}_${name}" => limit }
    value    = self.spearman["cifar10"].value
    min      = each.value
    claim    = "at least ${each.value} for ${each.key}"
  }
}`})
	x, s := loadOK(t, dir, options())
	var got []string
	for _, n := range x.Nodes {
		vs, diags := s.Verdicts(n, outputs(0.7, 0.65, 0.75))
		if len(diags) > 0 {
			t.Fatal(diags)
		}
		for _, v := range vs {
			got = append(got, fmt.Sprintf("%s: %s %s", *n.EachKey, v.Name, v.Outcome))
		}
	}
	want := []string{"a: e[a_high] not reproduced", "a: e[a_low] reproduced"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestExpectationsAreBounded has few lines that ask for a hundred million verdicts.
func TestExpectationsAreBounded(t *testing.T) {
	racetest.Skip(t, "loading is the work of one goroutine")
	dir := writeFiles(t, map[string]string{"x.hcl": `
locals { many = toset([for i in range(1000) : tostring(i)]) }
hypothesis "rank_transfer" "h" {
  for_each = toset([for i in range(50000) : tostring(i)])
  tables   = []
  from     = "a"
  to       = ["cifar10"]
  expect "e" {
    for_each = local.many
    value    = self.count
    min      = 0
    claim    = "c"
  }
}`})
	x, diags := lang.Load(context.Background(), dir, options())
	if !diags.HasErrors() {
		diags = x.Check(x.NewState())
	}
	if len(diags) != 1 || !strings.Contains(diags[0].Detail, "too many expectations") {
		t.Errorf("got %d problems, want one", len(diags))
	}
}
