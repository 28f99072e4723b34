package zerocostproxies

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/training"
)

// labelled is a data folder of ten samples of 4 x 4 pixels, all of which hold
// the sample's number, of which eight are for training; label = number modulo 3.
func labelled(t *testing.T, description string) map[string][]byte {
	t.Helper()
	var x, y bytes.Buffer
	pixels, labels := make([]float32, 160), make([]int32, 10)
	for i := range pixels {
		pixels[i] = float32(i / 16)
	}
	for i := range labels {
		labels[i] = int32(i % 3)
	}
	if err := npy.Write(&x, npy.Header{Type: npy.Float32, Shape: []int{10, 4, 4}}, pixels); err != nil {
		t.Fatal(err)
	}
	if err := npy.Write(&y, npy.Header{Type: npy.Int32, Shape: []int{10}}, labels); err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"x.npy": x.Bytes(), "y.npy": y.Bytes(), training.DescriptionFile: []byte(description)}
}

const classification = `{"task":"t","inputs":{"file":"x.npy"},"labels":{"file":"y.npy"},"classes":3,
	"splits":{"train":{"first":0,"count":8},"test":{"first":8,"count":2}},"metric":"error"}`

func dataBatch(t *testing.T, description string, change map[string]cty.Value) (*batch, error) {
	t.Helper()
	store := stagetest.Store{}
	attrs := map[string]cty.Value{"data": stages.FileValue(store.Folder(t, "numbers", labelled(t, description))), "batch_size": cty.NumberIntVal(5)}
	for name, v := range change {
		attrs[name] = v
	}
	in := &stages.Input{Scratch: t.TempDir(), Store: store}
	return filled(t, attrs).(*Stage).batch(t.Context(), in)
}

func TestBatchOfData(t *testing.T) {
	b, err := dataBatch(t, classification, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.input.String(); got != "1 x 4 x 4" || b.classes != 3 || !strings.Contains(b.source, "8 training samples of numbers") {
		t.Errorf("input %s, %d classes, %s", got, b.classes, b.source)
	}
	var seen []float32
	for i := range b.samples.Len() {
		v := b.samples.Inputs.Sample(i)[7]
		if slices.Contains(seen, v) || v >= 8 || b.samples.Labels[i] != int32(v)%3 {
			t.Errorf("sample %v with label %d after %v", v, b.samples.Labels[i], seen)
		}
		seen = append(seen, v)
	}
	if len(seen) != 5 {
		t.Errorf("samples %v", seen)
	}
	again, err := dataBatch(t, classification, nil)
	if err != nil || !slices.Equal(again.samples.Inputs.Data, b.samples.Inputs.Data) {
		t.Errorf("another batch of the same seed; %v", err)
	}
}

func TestBatchesThatDoNotFit(t *testing.T) {
	regression := strings.Replace(classification, `"labels":{"file":"y.npy"},"classes":3`, `"targets":{"file":"x.npy"}`, 1)
	regression = strings.Replace(regression, `"error"`, `"relative_l2"`, 1)
	for name, c := range map[string]struct {
		description string
		change      map[string]cty.Value
		want        string
	}{
		"targets":         {regression, nil, "data: it has targets"},
		"another shape":   {classification, map[string]cty.Value{"input": numbersOf(1, 8, 8)}, "input: 1 x 8 x 8, where samples of the data are 1 x 4 x 4"},
		"too few classes": {classification, map[string]cty.Value{"classes": cty.NumberIntVal(2)}, "classes: 2, where the data have 3"},
		"too few samples": {classification, map[string]cty.Value{"batch_size": cty.NumberIntVal(9)}, "batch_size: a batch of 9 from 8 samples"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := dataBatch(t, c.description, c.change); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
