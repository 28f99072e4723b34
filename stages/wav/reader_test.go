package wav

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// Samples are those of testdata/fixtures.py, however the bytes come.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]struct {
		Rate, Channels, Bits int
		Float                bool
		Samples              []float32
	}
	if err := json.Unmarshal(text, &golden); err != nil || len(golden) != 9 {
		t.Fatalf("%d files, %v", len(golden), err)
	}
	for name, want := range golden {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		w, err := NewReader(name, iotest.OneByteReader(bytes.NewReader(data)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.ReadAll(100)
		if err != nil || !slices.Equal(got, want.Samples) {
			t.Errorf("%s: %v, want %v: %v", name, got, want.Samples, err)
		}
		if w.Rate != want.Rate || w.Channels != want.Channels || w.Bits != want.Bits || w.Float != want.Float {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

func TestRefused(t *testing.T) {
	good, err := os.ReadFile("testdata/pcm16.wav")
	if err != nil {
		t.Fatal(err)
	}
	with := func(at int, b ...byte) []byte {
		out := slices.Clone(good)
		copy(out[at:], b)
		return out
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":              {nil, "it ends within its header"},
		"text":               {[]byte("hello, this is no sound"), "it is no WAVE file"},
		"no chunk":           {good[:12], "it ends within its header"},
		"cut format":         {good[:30], "it ends within its header"},
		"mp3 in WAVE":        {with(20, 0x55), "format 85 with 16 bits"},
		"12 bits":            {with(34, 12), "format 1 with 12 bits"},
		"no channel":         {with(22, 0), "its header is damaged"},
		"wrong block":        {with(32, 3), "its header is damaged"},
		"samples first":      {with(12, 'd', 'a', 't', 'a'), "samples come before their format"},
		"enormous format":    {with(16, 0xff, 0xff, 0xff, 0xff), "its format takes 4294967295 bytes"},
		"enormous chunk":     {with(12, 'x', 'x', 'x', 'x', 0xff, 0xff, 0xff, 0xff), "it ends within its header"},
		"ends in a sample":   {good[:len(good)-1], "it ends within a sample"},
		"ends early":         {good[:len(good)-4], "it ends 4 bytes too early"},
		"more than expected": {good, "more than 19 samples"},
	} {
		err := func() error {
			w, err := NewReader("x.wav", bytes.NewReader(c.data))
			if err == nil {
				_, err = w.ReadAll(19)
			}
			return err
		}()
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.wav: ") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	broken := errors.New("the disk is gone")
	w, err := NewReader("x.wav", io.MultiReader(bytes.NewReader(good[:50]), iotest.ErrReader(broken)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReadAll(100); !errors.Is(err, broken) {
		t.Errorf("a broken disk: %v", err)
	}
}

// Any bytes give samples or an error, and no more samples than bytes.
func FuzzReader(f *testing.F) {
	names, err := filepath.Glob("testdata/*.wav")
	if err != nil || len(names) == 0 {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := NewReader("x", bytes.NewReader(data))
		if err != nil {
			return
		}
		samples, err := w.ReadAll(1 << 20)
		if err == nil && len(samples) > len(data) {
			t.Errorf("%d samples of %d bytes", len(samples), len(data))
		}
	})
}
