package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

type entry struct {
	name, body, link string
	kind             byte
	mode             int64
}

func file(name, body string) entry {
	return entry{name: name, body: body, kind: tar.TypeReg, mode: 0o644}
}
func dir(name string) entry { return entry{name: name, kind: tar.TypeDir, mode: 0o755} }
func symlink(name, to string) entry {
	return entry{name: name, link: to, kind: tar.TypeSymlink, mode: 0o777}
}
func hardlink(name, to string) entry {
	return entry{name: name, link: to, kind: tar.TypeLink, mode: 0o644}
}

func makeTar(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: e.mode, Linkname: e.link, Size: int64(len(e.body)), Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, e.body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func makeZip(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		mode, body := fs.FileMode(e.mode), e.body
		switch e.kind {
		case tar.TypeDir:
			mode |= fs.ModeDir
		case tar.TypeSymlink:
			mode, body = mode|fs.ModeSymlink, e.link
		case tar.TypeFifo:
			mode |= fs.ModeNamedPipe
		}
		h.SetMode(mode)
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(f, body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func zstdded(t testing.TB, b []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

// helloBz2 is `printf hello | bzip2`: the standard library only decompresses.
func helloBz2() []byte {
	b, _ := hex.DecodeString("425a68393141592653591931653d00000081000244a000219a68334d07338bb9229c28480c98b29e80")
	return b
}

func unpack(t testing.TB, data []byte, o Options) (string, Result, error) {
	t.Helper()
	dest := filepath.Join(t.TempDir(), "out")
	res, err := Unpack(context.Background(), bytes.NewReader(data), int64(len(data)), dest, o)
	if err != nil {
		if _, serr := os.Lstat(dest); serr == nil {
			t.Errorf("an error left something behind: %v", err)
		}
	}
	return dest, res, err
}

// tree lists a folder: name to content, "/" for folders, "*" before executables.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		info, err := d.Info()
		switch {
		case err != nil:
			return err
		case d.IsDir():
			out[rel] = "/"
			return nil
		case !info.Mode().IsRegular():
			t.Errorf("%s is a %s", rel, info.Mode())
			return nil
		}
		b, err := os.ReadFile(p)
		out[rel] = string(b)
		if info.Mode()&0o111 != 0 {
			out[rel] = "*" + out[rel]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestUnpack(t *testing.T) {
	members := []entry{dir("d/"), file("d/a.txt", "A"), file("./e/f/b.txt", "B"), {name: "run.sh", body: "S", kind: tar.TypeReg, mode: 0o4711}}
	want := map[string]string{"d": "/", "d/a.txt": "A", "e": "/", "e/f": "/", "e/f/b.txt": "B", "run.sh": "*S"}
	plain := makeTar(t, members...)
	tests := map[string]struct {
		data   []byte
		opts   Options
		format Format
		want   map[string]string
	}{
		"tar":           {data: plain, format: Tar, want: want},
		"tar.gz":        {data: gzipped(plain), format: "gzip+tar", want: want},
		"tar.gz padded": {data: append(gzipped(plain), make([]byte, 512)...), format: "gzip+tar", want: want},
		"tar.zst":       {data: zstdded(t, plain), format: "zstd+tar", want: want},
		"zip":           {data: makeZip(t, members...), format: Zip, want: want},
		"strip":         {data: plain, format: Tar, opts: Options{Strip: 1}, want: map[string]string{"a.txt": "A", "f": "/", "f/b.txt": "B"}},
		"member":        {data: plain, format: Tar, opts: Options{Member: "d/a.txt"}, want: map[string]string{"d": "/", "d/a.txt": "A"}},
		"member folder": {data: makeZip(t, members...), format: Zip, opts: Options{Member: "e"}, want: map[string]string{"e": "/", "e/f": "/", "e/f/b.txt": "B"}},
		"after strip":   {data: plain, format: Tar, opts: Options{Strip: 1, Member: "f/b.txt"}, want: map[string]string{"f": "/", "f/b.txt": "B"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dest, res, err := unpack(t, tt.data, tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			if res.Format != tt.format || res.Single {
				t.Errorf("result %+v, want format %s", res, tt.format)
			}
			if d := cmp.Diff(tt.want, tree(t, dest)); d != "" {
				t.Errorf("unpacked (-want +got):\n%s", d)
			}
		})
	}
}

func TestUnpackSingleFile(t *testing.T) {
	for name, data := range map[string][]byte{"gz": gzipped([]byte("hello")), "bz2": helloBz2(), "zst": zstdded(t, []byte("hello"))} {
		dest, res, err := unpack(t, data, Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b, _ := os.ReadFile(dest); string(b) != "hello" || !res.Single || res.Bytes != 5 {
			t.Errorf("%s: %q, %+v", name, b, res)
		}
	}
	_, _, err := unpack(t, gzipped([]byte("hello")), Options{Member: "x"})
	wantError(t, err, "no archive: leave out strip_components and member")
}

func TestLinksBecomeCopies(t *testing.T) {
	dest, _, err := unpack(t, makeTar(t,
		symlink("latest", "v2"), symlink("v2", "data/v1"), // a link to a link to a folder
		dir("data"), file("data/v1/x", "X"), symlink("data/v1/y", "./x"), symlink("data/v1/up", "../other"),
		file("data/other", "O"), hardlink("hard", "./data/v1/x"), symlink("through", "latest/y"),
	), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"data": "/", "data/v1": "/", "data/v1/x": "X", "data/v1/y": "X", "data/v1/up": "O", "data/other": "O", "hard": "X", "through": "X"}
	for _, d := range []string{"latest", "v2"} {
		want[d], want[d+"/x"], want[d+"/y"], want[d+"/up"] = "/", "X", "X", "O"
	}
	if d := cmp.Diff(want, tree(t, dest)); d != "" {
		t.Errorf("unpacked (-want +got):\n%s", d)
	}
}

// TestI19_NothingLeavesTheFolder: no links out, no absolute or ".." paths,
// nothing but files and folders.
func TestI19_NothingLeavesTheFolder(t *testing.T) {
	tests := map[string]struct {
		entries []entry
		want    string
	}{
		"dot dot":               {[]entry{file("../evil", "x")}, `goes up with ".."`},
		"dot dot within":        {[]entry{file("a/../../evil", "x")}, `goes up with ".."`},
		"absolute":              {[]entry{file("/tmp/evil", "x")}, "absolute path"},
		"backslash":             {[]entry{file(`a/..\..\evil`, "x")}, "backslash"},
		"control character":     {[]entry{file("a\x1b[31m", "x")}, "control characters"},
		"link out":              {[]entry{symlink("l", "../../etc/passwd")}, "outside the archive"},
		"link absolute":         {[]entry{symlink("l", "/etc/passwd")}, "absolute path"},
		"link then write":       {[]entry{symlink("l", "d"), dir("d"), file("l/x", "x")}, "twice"},
		"link up in the middle": {[]entry{dir("d"), symlink("l", "d/../../etc")}, `goes up with ".."`},
		"link dangling":         {[]entry{symlink("l", "nothing")}, "not in the archive"},
		"link loop":             {[]entry{symlink("a", "b"), symlink("b", "a")}, "leads back to itself"},
		"link to itself":        {[]entry{symlink("a", "a")}, "holds it"},
		"link to parent":        {[]entry{symlink("d/l", "..")}, "holds it"},
		"mutual folders":        {[]entry{symlink("a/x", "../b"), symlink("b/y", "../a"), file("a/f", ""), file("b/f", "")}, "leads back to itself"},
		"duplicate":             {[]entry{file("a", "1"), file("a", "2")}, "twice"},
		"duplicate link":        {[]entry{file("a", "1"), file("b", "2"), symlink("b", "a")}, "twice"},
		"file under file":       {[]entry{file("a", "1"), file("a/b", "2")}, "as a file and as a folder"},
		"file over folder":      {[]entry{file("a/b", "1"), file("a", "2")}, "twice"},
		"fifo":                  {[]entry{{name: "p", kind: tar.TypeFifo}}, "FIFO"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, data := range [][]byte{makeTar(t, tt.entries...), makeZip(t, tt.entries...)} {
				_, _, err := unpack(t, data, Options{})
				wantError(t, err, tt.want)
			}
		})
	}
	_, _, err := unpack(t, makeTar(t, hardlink("l", "../out")), Options{})
	wantError(t, err, "outside the archive")
	_, _, err = unpack(t, makeTar(t, entry{name: "tty", kind: tar.TypeChar}), Options{})
	wantError(t, err, "device")
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

func TestBombs(t *testing.T) {
	small := Limits{Members: 50, Bytes: 1 << 20, Ratio: 100, RatioAfter: 1 << 10}
	zeros := strings.Repeat("\x00", 512<<10)
	var many, amplified []entry
	for i := range 60 {
		many = append(many, file("f"+strings.Repeat("x", i), ""))
	}
	amplified = append(amplified, file("big", strings.Repeat("0123456789abcdef", 4096)))
	for i := range 40 {
		amplified = append(amplified, symlink("l"+strings.Repeat("x", i), "big"))
	}
	tests := map[string][]byte{
		"ratio gz":       gzipped([]byte(zeros)),
		"ratio zst":      zstdded(t, []byte(zeros)),
		"ratio zip":      makeZip(t, file("z", zeros)),
		"ratio tar.gz":   gzipped(makeTar(t, file("z", zeros))),
		"padding":        gzipped(append(makeTar(t, file("a", "A")), zeros...)),
		"members tar":    makeTar(t, many...),
		"members zip":    makeZip(t, many...),
		"folders":        makeTar(t, file(strings.Repeat("d/", 60)+"f", "")),
		"links":          makeTar(t, amplified...),
		"absolute bytes": makeTar(t, file("a", zeros), file("b", zeros), file("c", "c")),
	}
	for name, data := range tests {
		if _, _, err := unpack(t, data, Options{Limits: small}); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: error %v, want ErrLimit", name, err)
		}
	}
	doubling := []entry{file("d0/f", "x")} // folders of links to folders of links
	for i := range 40 {
		a, b := string(rune('a'+i/26))+string(rune('a'+i%26)), "d0"
		if i > 0 {
			b = string(rune('a'+(i-1)/26)) + string(rune('a'+(i-1)%26))
		}
		doubling = append(doubling, symlink(a+"/l", "../"+b), symlink(a+"/m", "../"+b))
	}
	if _, _, err := unpack(t, makeTar(t, doubling...), Options{Limits: Limits{Members: 2000, Bytes: 1 << 30, Ratio: 1000, RatioAfter: 1 << 30}}); !errors.Is(err, ErrLimit) {
		t.Errorf("doubling links: error %v, want ErrLimit", err)
	}
}

func TestDamage(t *testing.T) {
	whole := gzipped(makeTar(t, file("a", strings.Repeat("text", 1000))))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"truncated":   {whole[:len(whole)/2], "ends too early"},
		"checksum":    {flipped, "checksum"},
		"text":        {[]byte("a,b\n1,2\n"), "leave out unpack"},
		"nothing":     {nil, "leave out unpack"},
		"xz":          {[]byte("\xfd7zXZ\x00abc"), "xz archives are not supported"},
		"empty zip":   {makeZip(t), "is empty"},
		"stripped":    {makeTar(t, file("a", "")), "leaves nothing"},
		"member gone": {makeTar(t, file("d/a.csv", "")), `did you mean "d/a.csv"`},
	} {
		o := Options{}
		switch name {
		case "stripped":
			o.Strip = 1
		case "member gone":
			o.Member = "a.csv"
		}
		_, _, err := unpack(t, tt.data, o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, tt.want)
		}
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	data := makeTar(t, file("a", "x"))
	_, err := Unpack(ctx, bytes.NewReader(data), int64(len(data)), filepath.Join(t.TempDir(), "out"), Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
}

// FuzzUnpack: whatever the bytes, nothing appears beside the destination,
// nothing but files and folders in it, and nothing at all after an error.
func FuzzUnpack(f *testing.F) {
	plain := makeTar(f, dir("d"), file("d/a", "A"), symlink("l", "d"), hardlink("h", "d/a"), file("../x", ""))
	for _, seed := range [][]byte{
		plain, gzipped(plain), zstdded(f, plain), makeZip(f, file("d/a", "A"), symlink("l", "d"), symlink("o", "../../x")),
		gzipped([]byte("hello")), helloBz2(), makeTar(f, symlink("a", "/etc"), file("a/passwd", "")), nil,
	} {
		f.Add(seed, uint8(0), "")
	}
	f.Add(plain, uint8(1), "a")
	f.Fuzz(func(t *testing.T, data []byte, strip uint8, only string) {
		parent := t.TempDir()
		sentinel := filepath.Join(parent, "sentinel")
		if err := os.WriteFile(sentinel, []byte("S"), 0o600); err != nil {
			t.Fatal(err)
		}
		dest := filepath.Join(parent, "out")
		limits := Limits{Members: 500, Bytes: 1 << 22, Ratio: 1000, RatioAfter: 1 << 16}
		_, err := Unpack(context.Background(), bytes.NewReader(data), int64(len(data)), dest, Options{Strip: int(strip % 4), Member: only, Limits: limits})
		entries, _ := os.ReadDir(parent)
		for _, e := range entries {
			if e.Name() != "sentinel" && (e.Name() != "out" || err != nil) {
				t.Errorf("%s appeared (error %v)", e.Name(), err)
			}
		}
		if b, _ := os.ReadFile(sentinel); string(b) != "S" {
			t.Error("a file outside was changed")
		}
		if err == nil {
			tree(t, dest)
		}
	})
}
