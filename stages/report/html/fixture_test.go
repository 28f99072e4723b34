package html_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
	html "github.com/nbpipe/nbpipe/stages/report/html"
)

// files is an InputStore in memory.
type files map[cache.Digest][]byte

func (f files) ReadAll(_ context.Context, x stages.File) ([]byte, error) {
	b, ok := f[x.Digest]
	if !ok {
		return nil, errors.New("no such blob")
	}
	return b, nil
}

func (f files) Open(ctx context.Context, x stages.File) (io.ReadCloser, error) {
	b, err := f.ReadAll(ctx, x)
	return io.NopCloser(bytes.NewReader(b)), err
}

func (f files) Materialise(context.Context, stages.File, string) error { return errors.New("not used") }

// add puts bytes into the store and returns the file value's JSON.
func (f files) add(name string, content []byte) map[string]any {
	d := cache.DigestOf(content)
	f[d] = content
	return map[string]any{"$file": map[string]any{"digest": d.String(), "size": len(content), "name": name}}
}

func (f files) file(name string, content []byte) stages.File {
	f.add(name, content)
	return stages.File{Object: cache.Object{Digest: cache.DigestOf(content), Size: int64(len(content))}, Name: name}
}

func ptr(x float64) *float64 { return &x }

func raw(t testing.TB, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func key(s string) cache.Key { return cache.Key(cache.DigestOf([]byte(s))) }

// noise is a small generator with the same numbers on every machine.
type noise uint64

func (n *noise) next() float64 {
	*n = *n*6364136223846793005 + 1442695040888963407
	return float64(*n>>40) / (1 << 24)
}

var (
	tasks      = []string{"cifar10", "imagenet16", "ninapro", "darcy"}
	operations = []string{"nor_conv_1x1", "nor_conv_3x3", "skip_connect", "avg_pool_3x3"}
)

// scatter draws rank scatters like Figure 3: density as a PNG inside the SVG.
func scatter(t testing.TB) []byte {
	t.Helper()
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 880 260" width="880" height="260" font-family="sans-serif" font-size="11"><title>Rank on CIFAR-100 against rank on four other tasks</title><defs><clipPath id="clip"><rect x="0" y="0" width="180" height="180"/></clipPath></defs>`)
	r := noise(7)
	for i, task := range tasks {
		img := image.NewGray(image.Rect(0, 0, 90, 90))
		for j := range img.Pix {
			img.Pix[j] = 255
		}
		spread := []float64{4, 6, 60, 60}[i]
		for range 6000 {
			x := r.next() * 90
			y := x + (r.next()+r.next()+r.next()-1.5)*spread
			if y >= 0 && y < 90 {
				p := img.PixOffset(int(x), int(y))
				img.Pix[p] = uint8(max(0, int(img.Pix[p])-40))
			}
		}
		img.SetGray(0, 0, color.Gray{})
		var enc bytes.Buffer
		if err := png.Encode(&enc, img); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, `<g transform="translate(%d 30)"><text x="90" y="-10" text-anchor="middle" style="font-weight: bold; fill: #222">%s</text><image clip-path="url(#clip)" width="180" height="180" style="image-rendering: pixelated" preserveAspectRatio="none" xlink:href="data:image/png;base64,%s"/><rect width="180" height="180" fill="none" stroke="#444"/><text x="90" y="200" text-anchor="middle">rank on cifar100</text></g>`,
			30+i*215, task, base64.StdEncoding.EncodeToString(enc.Bytes()))
	}
	b.WriteString(`</svg>`)
	return []byte(b.String())
}

// boxes draws box plots like Figure 4, with ids that clash with other figures.
func boxes() []byte {
	var b strings.Builder
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 280" font-family="sans-serif" font-size="11"><title>Importance of operations on five tasks</title><defs><path id="clip" d="M0-4V4"/></defs><line x1="40" x2="790" y1="220" y2="220" stroke="#999" stroke-dasharray="3 3"/>`)
	r := noise(11)
	for i, task := range append([]string{"cifar100"}, tasks...) {
		fmt.Fprintf(&b, `<text x="%d" y="265" text-anchor="middle">%s</text>`, 110+i*150, task)
		for j := range operations {
			x, top := 60+i*150+j*28, 60+int(r.next()*100)
			fmt.Fprintf(&b, `<g stroke="#333"><line x1="%d" x2="%d" y1="%d" y2="235"/><rect x="%d" y="%d" width="20" height="60" fill="hsl(%d, 45%%, 65%%)"/><line x1="%d" x2="%d" y1="%d" y2="%d" stroke-width="2"/></g>`,
				x+10, x+10, top-20, x, top, 40+j*70, x, x+20, top+25, top+25)
		}
	}
	b.WriteString(`<use href="#clip" x="40" y="220"/></svg>`)
	return []byte(b.String())
}

func statistic(value, half float64) map[string]any {
	return map[string]any{"value": value, "ci_low": value - half, "ci_high": value + half, "p": 0, "log10_p": -1234.5 * math.Abs(value)}
}

func figure3(t testing.TB, store files, table map[string]any) stages.NodeInfo {
	t.Helper()
	rho := map[string]float64{"cifar10": 0.98024, "imagenet16": 0.96631, "ninapro": 0.21871, "darcy": 0.04402}
	outputs := map[string]any{"figure": store.add("figure3.svg", scatter(t)), "cells": 15625}
	for _, name := range []string{"spearman", "kendall", "spearman_unique", "kendall_unique"} {
		m := map[string]any{}
		for task, v := range rho {
			m[task] = statistic(v*map[bool]float64{true: 0.9, false: 1}[strings.HasPrefix(name, "kendall")], 0.0031)
		}
		outputs[name] = m
	}
	overlap, best := map[string]any{}, map[string]any{}
	for i, task := range tasks {
		overlap[task] = map[string]any{
			"1%": map[string]any{"value": 0.4 - 0.1*float64(i), "chance": 0.01, "p": 1.3e-52},
			"5%": map[string]any{"value": 0.6 - 0.1*float64(i), "chance": 0.05, "p": 0.0213},
		}
		best[task] = map[string]any{"index": 6111 + i, "architecture": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|", "value": 0.0557 + float64(i)/10}
	}
	outputs["overlap"], outputs["best"] = overlap, best
	outputs["noise_ceiling"] = map[string]any{"cifar10": 0.9931, "cifar100": 0.9922, "imagenet16": 0.9912, "ninapro": 0.4123, "darcy": nil}
	n := stages.NodeInfo{
		Address: "hypothesis.figure3", Kind: "hypothesis rank_transfer", Version: 1, Key: key("figure3"),
		Description: "Do rankings of architectures transfer between tasks? (Figure 3, section 5.2.1)\n\nAll 15,625 cells are ranked on each task; the coefficients compare CIFAR-100 with each other one.",
		Attributes:  raw(t, map[string]any{"tables": []any{table}, "from": "cifar100", "to": tasks, "seed": 777, "resamples": 2000}),
		Outputs:     raw(t, outputs),
	}
	add := func(v stages.Verdict) { v.Node = n.Address; n.Verdicts = append(n.Verdicts, v) }
	add(stages.Verdict{Name: "cifar10", Kind: "claim", Claim: "CIFAR-10 is “highly correlated” with CIFAR-100", Value: ptr(0.98024), Low: ptr(0.9771), High: ptr(0.9833), Min: ptr(0.9), Outcome: stages.Reproduced})
	add(stages.Verdict{Name: "imagenet16", Kind: "claim", Claim: "ImageNet16-120 is “highly correlated” with CIFAR-100", Value: ptr(0.96631), Low: ptr(0.9632), High: ptr(0.9694), Min: ptr(0.9), Outcome: stages.Reproduced})
	add(stages.Verdict{Name: "ninapro_weak", Kind: "claim", Claim: "NinaPro is “uncorrelated” with CIFAR-100, weak reading: below the smallest vision pair", Value: ptr(0.21871), Low: ptr(0.2156), High: ptr(0.2218), Max: ptr(0.9663), Outcome: stages.Reproduced})
	add(stages.Verdict{Name: "ninapro_strong", Kind: "claim", Claim: "NinaPro is “uncorrelated” with CIFAR-100, strong reading: |ρ| at most 0.1", Value: ptr(0.21871), Low: ptr(0.2156), High: ptr(0.2218), Min: ptr(-0.1), Max: ptr(0.1), Outcome: stages.NotReproduced, Reason: "above the maximum by 0.119"})
	add(stages.Verdict{Name: "darcy_strong", Kind: "claim", Claim: "Darcy Flow is “uncorrelated” with CIFAR-100, strong reading: |ρ| at most 0.1", Value: ptr(0.04402), Low: ptr(0.0202), High: ptr(0.1031), Min: ptr(-0.1), Max: ptr(0.1), Outcome: stages.Reproduced})
	add(stages.Verdict{Name: "ceiling", Kind: "own", Claim: "The tables are precise enough to rank: noise ceiling of Darcy Flow", Min: ptr(0.5), Outcome: stages.Inconclusive, Reason: "the value is not a number"})
	add(stages.Verdict{Name: "best", Kind: "own", Claim: "The best cell for CIFAR-100 is the best for CIFAR-10", Text: "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|", Want: "the same architecture", Outcome: stages.Reproduced})
	return n
}

func figure4(t testing.TB, store files, table map[string]any) stages.NodeInfo {
	t.Helper()
	printed := map[string][]float64{
		"cifar10": {.00336, .00928, .00662, -.00076}, "cifar100": {.01024, .01932, .01324, -.00087},
		"imagenet16": {.02132, .02871, .01841, -.00167}, "ninapro": {.01252, .01385, .02541, .00644}, "darcy": {-.00022, .01268, .00151, .00495},
	}
	order := append([]string{"cifar100"}, tasks...)
	importance, distance := map[string]any{}, map[string]any{}
	n := stages.NodeInfo{
		Address: `hypothesis.figure4`, Kind: "hypothesis operation_importance", Version: 2, Key: key("figure4"),
		Description: "Are operations redundant? (Figure 4, section 5.2.2) Importance is the mean rise of the error when an operation on an edge is replaced.",
		Attributes:  raw(t, map[string]any{"tables": []any{table}, "top": 0.05, "seed": 777}),
	}
	r := noise(3)
	for i, task := range order {
		ops, row := map[string]any{}, map[string]any{}
		for j, op := range operations {
			m := printed[task][j] + (r.next()-0.5)*4e-5
			ops[op] = map[string]any{"n": 900 + 13*j, "q1": m - 0.004, "median": m, "q3": m + 0.006, "whisker_low": m - 0.02, "whisker_high": m + 0.021}
			v := stages.Verdict{
				Node: n.Address, Name: task + "_" + op, Kind: "print", Claim: fmt.Sprintf("Median importance of %s on %s", op, task), Value: ptr(m),
				Equals: ptr(printed[task][j]), Tolerance: ptr(map[bool]float64{true: 5e-4, false: 5e-5}[task == "ninapro"]), Outcome: stages.Reproduced,
			}
			if task == "darcy" && j == 2 {
				v.Value, v.Outcome, v.Reason = ptr(0.00168), stages.NotReproduced, "above 0.00151 by 0.00017, 3.4 times the tolerance"
			}
			if task == "darcy" && j == 3 {
				v.Value, v.Low, v.High, v.Outcome, v.Reason = ptr(0.0051), ptr(0.00489), ptr(0.0053), stages.Inconclusive, "outside the limits, but the interval reaches in"
			}
			n.Verdicts = append(n.Verdicts, v)
		}
		importance[task] = ops
		for k, other := range order {
			row[other] = math.Abs(float64(i-k)) * 0.137 * (1 + r.next()/10)
		}
		distance[task] = row
	}
	n.Verdicts = append(n.Verdicts, stages.Verdict{
		Node: n.Address, Name: "groups", Kind: "claim", Outcome: stages.Reproduced, Value: ptr(0.31), Max: ptr(0.52),
		Claim: "The three vision tasks are alike, and NinaPro and Darcy Flow are “drastically different” from these and from each other: the largest distance between two vision tasks is below the smallest other one (importance divided by the pooled interquartile range, mean Wasserstein-1 distance over the four operations)",
	})
	n.Outputs = raw(t, map[string]any{
		"figure": store.add("figure4.svg", boxes()), "importance": importance, "distance": distance,
		"change": map[string]any{"cifar10": map[string]any{"a": -0.2, "b": 0.4}, "darcy": map[string]any{"a": 0.1, "b": nil}},
		"best":   map[string]any{"darcy": map[string]any{"index": 9930, "architecture": "|skip_connect~0|", "value": 0.0257}}, "medians": "raw",
	})
	return n
}

func dataset(t testing.TB, store files, name, url, licence, content string) stages.NodeInfo {
	f := store.add(name, []byte(content))
	return stages.NodeInfo{
		Address: "dataset." + strings.TrimSuffix(name, ".csv"), Kind: "dataset fetch", Version: 1, Key: key(name),
		Description: "Accuracies of all 15,625 cells.",
		Attributes:  raw(t, map[string]any{"url": url, "sha256": cache.DigestOf([]byte(content)).String(), "licence": licence}),
		Outputs:     raw(t, map[string]any{"file": f}),
	}
}

// paper is a stage like experiments/nb360, and its store.
func paper(t testing.TB) (*html.Stage, files) {
	t.Helper()
	store := files{}
	nats := dataset(t, store, "nats.csv", "https://example.org/nats_bench.csv", "MIT", "nats")
	hw := dataset(t, store, "hw360.csv", "https://example.org/hw-nas-bench-360.parquet", "", "hw")
	var out struct{ File any }
	if err := json.Unmarshal(nats.Outputs, &out); err != nil {
		t.Fatal(err)
	}
	table := store.add("vision", []byte("table"))
	table = map[string]any{"$table": table["$file"]}
	vision := stages.NodeInfo{
		Address: "preprocess.vision", Kind: "preprocess benchmark_table", Version: 3, Key: key("vision"),
		Attributes: raw(t, map[string]any{"file": out.File, "columns": map[string]any{"cifar10": "CIFAR10TestAccuracy200Epochs"}, "script": store.add("clean.py", []byte("print()"))}),
		Outputs:    raw(t, map[string]any{"table": table, "rows": 15625}),
	}
	f3, f4 := figure3(t, store, table), figure4(t, store, table)
	vision.Inputs = []string{nats.Address}
	f3.Inputs = []string{vision.Address, hw.Address}
	f4.Inputs = []string{vision.Address}
	f3.Upstream = []stages.NodeInfo{nats, hw, vision}
	f4.Upstream = []stages.NodeInfo{nats, vision}
	return &html.Stage{
		Title:      "NAS-Bench-360: do findings on vision tasks carry over?",
		Summary:    "Two findings of earlier work on vision tasks, tested on the tables of 15,625 architectures that the paper used.",
		Hypotheses: []stages.NodeInfo{f3, f4},
		Figures: map[string]stages.File{
			"Figure 3. Rank on CIFAR-100 against rank on four other tasks.": store.file("figure3.svg", scatter(t)),
		},
	}, store
}

const attack = `"><script>alert(1)</script><img src=x onerror=alert(2)>'{{.}}` + "\u202e\u0000 javascript:alert(3)"

// hostile has an attack in every string that a stranger could choose.
func hostile(t testing.TB) (*html.Stage, files) {
	t.Helper()
	store := files{}
	bad := store.add(attack+".svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(4)"><script>alert(5)</script></svg>`))
	broken := store.add("broken.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><g></svg>`))
	titled := store.add("title.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><title>&lt;/title&gt;&lt;script&gt;alert(6)&lt;/script&gt;</title><text>&lt;script&gt;</text></svg>`))
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	up := stages.NodeInfo{
		Address: "dataset." + attack, Kind: "dataset " + attack, Description: attack, Key: key("x"),
		Attributes: raw(t, map[string]any{"url": "javascript:alert(7)", "urls": []string{attack, "data:text/html,<script>"}, "licence": attack, "seed": attack, "sha256": attack}),
		Outputs:    raw(t, map[string]any{attack: attack}),
	}
	many := map[string]any{}
	for i := range 1000 {
		many[fmt.Sprintf("%s%d", attack, i)] = map[string]any{"value": i, attack: attack}
	}
	n := stages.NodeInfo{
		Address: `hypothesis.` + attack, Kind: attack, Description: attack, Key: key("y"), Upstream: []stages.NodeInfo{up},
		Attributes: raw(t, map[string]any{attack: attack}),
		Outputs: raw(t, map[string]any{
			attack: attack, "a": bad, "b": broken, "c": titled, "many": many, "list": []any{1, "x", nil, true}, "deep": json.RawMessage(deep),
			"mixed": map[string]any{"x": 1, "y": map[string]any{"z": []any{map[string]any{}}}}, "empty": map[string]any{}, "huge": json.Number("1" + strings.Repeat("0", 400)),
			"infinite": map[string]any{"a": map[string]any{"value": "Inf", "p": 0}, "b": map[string]any{"value": "-Inf", "p": nil}},
		}),
		Verdicts: []stages.Verdict{
			{Node: attack, Name: attack, Kind: attack, Claim: attack, Text: attack, Want: attack, Outcome: attack, Reason: attack},
			{Value: ptr(math.NaN()), Low: ptr(math.Inf(-1)), High: ptr(math.Inf(1)), Min: ptr(math.Inf(-1)), Outcome: stages.Inconclusive},
			{Value: ptr(math.MaxFloat64), Equals: ptr(-math.MaxFloat64), Tolerance: ptr(5e-324), Outcome: stages.NotReproduced},
		},
	}
	return &html.Stage{Title: attack, Summary: attack, Hypotheses: []stages.NodeInfo{n}, Figures: map[string]stages.File{attack: store.file("a.svg", []byte("no xml"))}}, store
}
