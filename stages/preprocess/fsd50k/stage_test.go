package fsd50k

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/preprocess/stagetest"
	"github.com/nbpipe/nbpipe/stages/training"
)

func run(t *testing.T, archive []byte, more map[string]cty.Value) (*stagetest.Result, error) {
	t.Helper()
	store := stagetest.Store{}
	given := map[string]cty.Value{"archive": stages.FileValue(store.File("audio.zip", archive))}
	for name, v := range more {
		given[name] = v
	}
	return stagetest.Run(t, Kind, store, given)
}

// Spectrograms, targets, clips and noise are NumPy's and SciPy's.
func TestAgainstSciPy(t *testing.T) {
	files := stagetest.Fixture(t, "testdata/fixture.py", "numpy", "scipy")
	r, err := run(t, files["audio.zip"], nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tolerance := range map[string]float64{"inputs.npy": 1e-5, "targets.npy": 0, "records.npy": 0} {
		stagetest.Near(t, name, r.Files["data/"+name], files[name], tolerance)
	}
	stagetest.Near(t, "noise", r.Files["data/noise-000.npy"], files["noise.npy"], 1e-5)
	d, err := training.ParseDescription(r.Files["data/dataset.json"])
	if err != nil {
		t.Fatal(err)
	}
	want := training.Splits{Train: training.Range{First: 0, Count: 6}, Validation: training.Range{First: 6, Count: 2}, Test: training.Range{First: 8, Count: 3}}
	if d.Splits != want || d.Task != "fsd50k" || d.Metric != "map_error" || d.Loss != "bce" || d.Noise == nil || d.Records == nil {
		t.Errorf("%+v", d)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "1 chunks are longer than a second") {
		t.Errorf("warnings %q", r.Warnings)
	}
	again, err := run(t, files["audio.zip"], map[string]cty.Value{"limit": cty.NumberIntVal(1), "noise": cty.StringVal("")})
	if err != nil {
		t.Fatal(err)
	}
	shape, first := stagetest.Array(t, again.Files["data/inputs.npy"])
	_, all := stagetest.Array(t, files["inputs.npy"])
	if !slices.Equal(shape, []int{7, bands, frames}) || math.Abs(first[0]-all[0]) > 1e-5 { // 3 + 2 + 2 chunks of the first clips
		t.Errorf("limit 1 gives shape %v", shape)
	}
	if again.Files["data/noise-000.npy"] != nil {
		t.Error("noise was written that was not asked for")
	}
}

// sound is a second of silence with a click as a WAVE file.
func sound(rate, channels int) []byte {
	n := rate * channels
	b := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00"), byte(channels), 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(2*n))
	b = append(b, byte(2*channels), 0, 16, 0)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(2*n))
	return append(append(b, 0xff, 0x3f), make([]byte, 2*n-2)...)
}

func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range files {
		m, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRefused(t *testing.T) {
	table := func(rows string) string { return "files,labels,ext\n" + rows }
	good := map[string]string{
		"tr.csv": table("x/1.wav,a,1\n"), "val.csv": table("x/1.wav,b,2\n"), "eval.csv": table("x/1.wav,\"a,b\",3\n"),
		"lbl_map.json": `{"a": 0, "b": 1}`, "x/1.wav": string(sound(rate, 1)), "noise_22050/n.wav": string(sound(rate, 1)),
	}
	if _, err := run(t, zipped(t, good), nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ file, text, want string }{
		"no csv":            {"tr.csv", "", `has no file "tr.csv"`},
		"empty csv":         {"val.csv", " ", "val.csv: "},
		"other columns":     {"tr.csv", "file,labels,ext\n", `no column "files"`},
		"no rows":           {"tr.csv", table(""), "it has no clips"},
		"an endless row":    {"tr.csv", table(`x/1.wav,"` + strings.Repeat("a\n", 1<<20)), "a row has more than 1048576 bytes"},
		"unknown label":     {"eval.csv", table("x/1.wav,c,1\n"), `clip "1": label "c" is none of lbl_map.json`},
		"no such chunk":     {"tr.csv", table("x/2.wav,a,1\n"), `no file "x/2.wav"`},
		"labels with a gap": {"lbl_map.json", `{"a": 0, "b": 2}`, "numbered from 0"},
		"labels are a list": {"lbl_map.json", `["a"]`, "no object of numbers"},
		"other rate":        {"x/1.wav", string(sound(44100, 1)), "1 channels at 44100 Hz"},
		"stereo":            {"x/1.wav", string(sound(rate, 2)), "2 channels at 22050 Hz"},
		"no sound":          {"x/1.wav", "text", "x/1.wav: "},
		"no samples":        {"x/1.wav", string(sound(rate, 1)[:40]) + "\x00\x00\x00\x00", "it has no samples"},
		"no noise":          {"noise_22050/n.wav", "", `no folder "noise_22050"`},
	} {
		files := map[string]string{}
		for k, v := range good {
			files[k] = v
		}
		if files[c.file] = c.text; c.text == "" {
			delete(files, c.file)
		}
		if _, err := run(t, zipped(t, files), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	large := zipped(t, good)
	size := bytes.LastIndex(large, []byte("x/1.wav")) - 46 + 24 // in the directory
	copy(large[size:], "\xf0\xff\xff\xff")
	if _, err := run(t, large, nil); err == nil || !strings.Contains(err.Error(), "x/1.wav: it has 4294967280 bytes, more than ten minutes take") {
		t.Errorf("an enormous file: %v", err)
	}
	if _, err := run(t, []byte("text"), nil); err == nil || !strings.HasPrefix(err.Error(), "archive: ") {
		t.Errorf("no archive: %v", err)
	}
	if p := stagetest.Problems(t, Kind, map[string]cty.Value{"archive": stages.FileValue(stages.File{Name: "a"}), "limit": cty.NumberIntVal(-1)}); len(p) != 1 || p[0].Attribute != "limit" {
		t.Errorf("limit -1: %v", p)
	}
}

// Sounds that are not finite are an error, not a spectrogram.
func TestNotFinite(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		clip := make([]float32, rate)
		clip[1000] = float32(v)
		if _, err := newSpectrogram().logMel(clip); err == nil || !strings.Contains(err.Error(), "not finite") {
			t.Errorf("%v: %v", v, err)
		}
	}
}

func BenchmarkLogMel(b *testing.B) {
	s, clip := newSpectrogram(), make([]float32, rate)
	for i := range clip {
		clip[i] = float32(math.Sin(float64(i*i) / 1e5))
	}
	for b.Loop() {
		if _, err := s.logMel(clip); err != nil {
			b.Fatal(err)
		}
	}
}
