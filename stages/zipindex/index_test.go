package zipindex

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/stages/pythontest"
)

// file is a member of a test's archive.
type file struct {
	name   string
	data   []byte
	method uint16
}

func archive(tb testing.TB, files ...file) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		m, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: f.method})
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := m.Write(f.data); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.SetComment("a comment, with " + endSignature[:2]); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func read(x *Index, i int) ([]byte, error) {
	r, err := x.Open(i)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestIndex(t *testing.T) {
	long := bytes.Repeat([]byte("sound "), 10000)
	files := []file{
		{"data/chunks/tr/1_0000.wav", long, deflated}, {"data/chunks/eval/1_0000.wav", []byte("eval"), stored},
		{"data/empty/", nil, stored}, {"data/tr.csv", nil, deflated}, {"noise.wav", []byte("n"), stored}, {`win\dir\x.wav`, []byte("x"), stored},
	}
	data := archive(t, files...)
	x, err := New(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if x.Len() != 5 {
		t.Fatalf("%d members", x.Len())
	}
	files = slices.Delete(files, 2, 3)
	for i, f := range files {
		got, err := read(x, i)
		if err != nil || !bytes.Equal(got, f.data) {
			t.Errorf("%s: %d bytes, %v", f.name, len(got), err)
		}
		m, err := x.Open(i)
		name, nameErr := x.Name(i)
		if err != nil || nameErr != nil || m.Name() != f.name || name != f.name || m.Size() != int64(len(f.data)) {
			t.Errorf("%s: %s, %v, %v", f.name, name, err, nameErr)
		}
	}
	for path, want := range map[string]int{
		"data/chunks/tr/1_0000.wav": 0, "/home/someone/fsd/chunks/eval/1_0000.wav": 1, "tr/1_0000.wav": 0, "tr.csv": 2, "/x/noise.wav": 3, "dir/x.wav": 4,
	} {
		if got, err := x.Find(path); err != nil || got != want {
			t.Errorf("%s is member %d, want %d: %v", path, got, want, err)
		}
	}
	for path, want := range map[string]string{"1_0000.wav": "several files", "/x/1_0000.wav": "several files", "2.wav": "has no file", "": "has no file"} {
		if _, err := x.Find(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
}

// Python's zipfile writes zip64 fields for members that it is told may be large, and
// the zip64 end record for more than 65,535 of them.
func TestZip64(t *testing.T) {
	python := pythontest.Find(t, "zipfile")
	path := filepath.Join(t.TempDir(), "large.zip")
	script := `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as z:
    with z.open("forced.bin", "w", force_zip64=True) as f:
        f.write(b"forced")
    for i in range(66000):
        z.writestr("d/%06d.txt" % i, b"%d" % i)
`
	if out, err := exec.Command(python, "-c", script, path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	x, err := New(f, info.Size())
	if err != nil || x.Len() != 66001 {
		t.Fatalf("%d members, %v", x.Len(), err)
	}
	i, err := x.Find("d/065999.txt")
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[int]string{0: "forced", i: "65999"} {
		if got, err := read(x, at); err != nil || string(got) != want {
			t.Errorf("member %d: %q, %v", at, got, err)
		}
	}
}

// Sizes of more than 32 bits are in the extra field.
func TestLargeSizes(t *testing.T) {
	e := entry{size: large, packed: 7, offset: large}
	extra := binary.LittleEndian.AppendUint16(nil, 0x5455)
	extra = append(extra, 1, 0, 9, 1, 0, 16, 0)
	extra = binary.LittleEndian.AppendUint64(extra, 24e9)
	extra = binary.LittleEndian.AppendUint64(extra, 25e9)
	if e.widen(extra); e.size != 24e9 || e.packed != 7 || e.offset != 25e9 {
		t.Errorf("%+v", e)
	}
}

func TestDamaged(t *testing.T) {
	data := archive(t, file{"a.txt", bytes.Repeat([]byte("abc"), 100), deflated}, file{"b.txt", []byte("stored"), stored})
	start := bytes.Index(data, []byte(directorySignature))
	change := func(at int, b ...byte) []byte {
		out := slices.Clone(data)
		copy(out[at:], b)
		return out
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":            {nil, "no directory"},
		"cut":              {data[:len(data)/2], "no directory"},
		"directory beyond": {change(bytes.LastIndex(data, []byte(endSignature))+16, 0xff, 0xff, 0xff), "damaged"},
		"no entry":         {change(start, 'X'), "damaged"},
		"name too long":    {change(start+28, 0xff, 0xff), "damaged"},
		"member beyond":    {change(start+42, 0xff, 0xff, 0xff), "damaged"},
		"other size":       {change(start+24, 5, 0), "longer than the directory says"},
		"larger size":      {change(start+24, 0xff, 0xff), "shorter than the directory says"},
		"other checksum":   {change(start+16, 1, 2, 3), "its checksum differs"},
		"encrypted":        {change(start+8, 1), "it is encrypted"},
		"other method":     {change(start+10, 12), "method 12"},
		"no member":        {change(0, 'X'), "damaged"},
		"other bytes":      {change(37, 0xff, 0xff, 0xff), "damaged"},
	} {
		x, err := New(bytes.NewReader(c.data), int64(len(c.data)))
		if err == nil {
			_, err = read(x, 0)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// The index of 200,000 members takes 12 bytes a member.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("200,000 members")
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	const n = 200_000
	for i := range n {
		if _, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("data/chunks/FSD50K.dev_audio_chunks/%06d_%04d.wav", i/8, i%8)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x, err := New(bytes.NewReader(data), int64(len(data)))
	if err != nil || x.Len() != n {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := int64(after.HeapAlloc-before.HeapAlloc) / n; each > 16 {
		t.Errorf("%d bytes a member", each)
	}
	runtime.KeepAlive(x)
}

// Any bytes give an index or an error, members their bytes or an error.
func FuzzIndex(f *testing.F) {
	f.Add(archive(f, file{"a/b.txt", []byte("some text, some text"), deflated}, file{"c", []byte("d"), stored}))
	f.Add([]byte(endSignature + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := New(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for i := range min(x.Len(), 20) {
			if r, err := x.Open(i); err == nil {
				io.Copy(io.Discard, io.LimitReader(r, 1<<20))
			}
			if name, err := x.Name(i); err == nil {
				x.Find(name)
			}
		}
	})
}
