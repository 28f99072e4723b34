package lang_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/nbpipe/nbpipe/pipeline/lang"
)

var update = flag.Bool("update", false, "write the expected texts of testdata")

// expected is a problem that a fixture names.
type expected struct {
	file    string
	line    int
	summary string   // part of the summary
	detail  []string // parts of the detail
}

// parseExpected reads `SUMMARY ~ DETAIL ~ DETAIL`.
func parseExpected(file string, line int, text string) expected {
	parts := strings.Split(text, " ~ ")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return expected{file, line, parts[0], parts[1:]}
}

func (e expected) fits(d *hcl.Diagnostic) bool {
	if d.Severity != hcl.DiagError || d.Subject == nil || d.Subject.Filename != e.file || d.Subject.Start.Line != e.line || !strings.Contains(d.Summary, e.summary) {
		return false
	}
	return !slices.ContainsFunc(e.detail, func(s string) bool { return !strings.Contains(d.Detail, s) })
}

// TestErrors requires of every fixture exactly the problems that it names, each
// on its line: a comment `# ERROR: summary ~ part of the detail`, or, for files
// that cannot carry one, lines `LINE SUMMARY` in a file of the same name with
// .want. A folder is one experiment, with the folders that it imports.
func TestErrors(t *testing.T) {
	paths, err := filepath.Glob("testdata/errors/*")
	if err != nil || len(paths) == 0 {
		t.Fatal("no fixtures", err)
	}
	count := 0
	for _, p := range paths {
		if strings.HasSuffix(p, ".want") {
			continue
		}
		t.Run(filepath.Base(p), func(t *testing.T) {
			want := expectedErrors(t, p)
			if len(want) == 0 {
				t.Error("the fixture names no mistake")
			}
			count += len(want)
			checkErrors(t, p, want, options())
		})
	}
	t.Logf("%d mistakes", count)
	if count < 200 {
		t.Errorf("only %d mistakes", count)
	}
}

// checkErrors loads an experiment twice and requires the problems, in order.
func checkErrors(t *testing.T, path string, want []expected, o lang.Options) {
	t.Helper()
	problems := func() (*lang.Experiment, hcl.Diagnostics) {
		x, diags := lang.Load(context.Background(), path, o)
		if !diags.HasErrors() {
			diags = x.Check(x.NewState())
		}
		return x, diags
	}
	x, diags := problems()
	compareErrors(t, want, x, diags)
	if !slices.IsSortedFunc(diags, func(a, b *hcl.Diagnostic) int {
		if a.Subject == nil || b.Subject == nil {
			return 0
		}
		return cmp.Or(cmp.Compare(a.Subject.Filename, b.Subject.Filename), cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte))
	}) {
		t.Error("not in the order of the files")
	}
	shown := text(x, diags)
	for _, unwanted := range []string{"hunter2", "s3cret", "nternal error", "%!", "a object", "\x1b", "....", "?."} {
		if strings.Contains(shown, unwanted) {
			t.Errorf("the output shows %q:\n%s", unwanted, shown)
		}
	}
	for _, d := range diags {
		if len(d.Detail) < 20 {
			t.Errorf("%s: the text says too little: %q", d.Summary, d.Detail)
		}
	}
	if strings.HasSuffix(path, "too_much_work.hcl") {
		return // takes seconds
	}
	if y, again := problems(); text(y, again) != shown {
		t.Errorf("a second time gives another text:\n%s\n%s", shown, text(y, again))
	}
}

func compareErrors(t *testing.T, want []expected, x *lang.Experiment, diags hcl.Diagnostics) {
	t.Helper()
	want = slices.Clone(want)
	for _, d := range diags {
		i := slices.IndexFunc(want, func(w expected) bool { return w.fits(d) })
		if i < 0 {
			t.Errorf("not expected:\n%s", text(x, hcl.Diagnostics{d}))
			continue
		}
		want = slices.Delete(want, i, i+1)
	}
	for _, w := range want {
		t.Errorf("missing: %s:%d: %s %q", w.file, w.line, w.summary, w.detail)
	}
}

func expectedErrors(t *testing.T, path string) []expected {
	t.Helper()
	var want []expected
	err := filepath.WalkDir(path, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(p, ".want") {
			return err
		}
		if sidecar, err := os.ReadFile(p + ".want"); err == nil {
			for line := range strings.Lines(string(sidecar)) {
				n, rest, _ := strings.Cut(line, " ")
				at, err := strconv.Atoi(n)
				if err != nil {
					return fmt.Errorf("%s.want: %w", p, err)
				}
				want = append(want, parseExpected(p, at, rest))
			}
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		number := 0
		for line := range strings.Lines(string(src)) {
			number++
			for _, part := range strings.Split(line, "# ERROR: ")[1:] {
				want = append(want, parseExpected(p, number, part))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// TestErrorsMade covers mistakes that no file of testdata can hold.
func TestErrorsMade(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "data.csv"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := func(src string) map[string]string { return map[string]string{"x.hcl": src} }
	variables := "variable \"alpha\" {\n  type = number\n}\nvariable \"names\" {\n  type = list(string)\n  default = []\n}\nvariable \"token\" {\n  default   = 0\n  sensitive = true\n  type = number\n}\n"
	tests := []struct {
		name  string
		files map[string]string
		link  string // name of a link to a folder outside
		opts  func(*lang.Options)
		want  []string // FILE:LINE SUMMARY ~ DETAIL
	}{
		{name: "NUL", files: plain("locals {\n  a = \"x\x00y\"\n}\n"), want: []string{"x.hcl:2 NUL byte in the file ~ UTF-8"}},
		{name: "Latin-1", files: plain("locals {\n\n  a = \"caf\xe9\"\n}\n"), want: []string{"x.hcl:3 The file is not UTF-8 ~ 0xe9"}},
		{name: "only one file is broken", files: map[string]string{
			"a.hcl": "locals {\n  a = \"\xff\"\n}\n", "b.hcl": "locals {\n  b = local.a\n  c = uper(\"x\")\n}\n"},
			want: []string{"a.hcl:2 The file is not UTF-8", "b.hcl:3 Unknown function ~ \"upper\""}},
		{name: "deep", files: plain("locals {\n  a =\n" + strings.Repeat("[", 300) + strings.Repeat("]", 300) + "\n}\n"), want: []string{"x.hcl:3 Nested too deeply ~ 200"}},
		{name: "10 MB", files: plain(strings.Repeat("# a line of a comment\n", 10<<20/22)), want: []string{"x.hcl:1 The file is too large ~ for_each"}},
		{name: "empty folder", files: map[string]string{"readme.txt": "x"}, want: []string{".:1 No experiment in the folder ~ .hcl"}},
		{name: "path through a link", link: "data", files: plain("command \"run\" \"c\" {\n  argv   = [\"sh\"]\n  inputs = { a = path(\"data/data.csv\") }\n}\n"),
			want: []string{"x.hcl:3 Wrong path ~ leaves the experiment's folder ~ link"}},
		{name: "import through a link", link: "lib", files: plain("import \"lib\" {\n  source = \"./lib\"\n}\n"),
			want: []string{"x.hcl:2 Import not found ~ leaves the experiment's folder"}},
		{name: "binary file()", files: map[string]string{"x.hcl": "locals {\n  a = file(\"b.bin\")\n}\n", "b.bin": "\x00\xff\xfe"},
			want: []string{"x.hcl:2 Wrong path ~ not UTF-8 ~ path()"}},
		{name: "large file()", files: map[string]string{"x.hcl": "locals {\n  a = file(\"b.txt\")\n}\n", "b.txt": strings.Repeat("x", 5<<20)},
			want: []string{"x.hcl:2 Wrong path ~ 4 MiB ~ path()"}},
		{name: "import of a folder without files", files: map[string]string{"x.hcl": "import \"a\" {\n  source = \"./sub\"\n}\nlocals {\n  b = import.a.c\n}\n", "sub/readme.txt": "x"},
			want: []string{"sub:1 No experiment in the folder"}},
		{name: "import of a file", files: map[string]string{"x.hcl": "import \"a\" {\n  source = \"./y.hcl\"\n}\n", "y.hcl": ""},
			want: []string{"x.hcl:2 Import not found ~ folder"}},
		{name: "two files", files: map[string]string{"a.hcl": "locals {\n  n = 1\n}\n", "b.hcl": "locals {\n  n = 2\n}\n"},
			want: []string{"b.hcl:2 Defined twice ~ a.hcl:2"}},
		{name: "values from outside", files: plain(variables),
			opts: func(o *lang.Options) {
				o.Variables = []lang.Assignment{{Name: "alpha", Value: "big", From: "--var"}, {Name: "alhpa", Value: "1", From: "--var"},
					{Name: "names", Value: "[1", From: "--var"}, {Name: "token", Value: "hunter2", From: "--var"}}
			},
			want: []string{"<--var alpha>:1 Wrong type ~ \"alpha\" ~ a number ~ \"big\"", "<--var alhpa>:1 Undefined variable ~ Did you mean \"alpha\"", "<--var names>:1 Invalid value ~ list of strings", "<--var token>:1 Wrong type ~ not shown"}},
		{name: "wrong type from the environment", files: plain(variables),
			opts: func(o *lang.Options) {
				o.Environment = []lang.Assignment{{Name: "alpha", Value: `"x"`, From: "NBPIPE_VAR_alpha"}, {Name: "other", Value: "x", From: "NBPIPE_VAR_other"}}
			},
			want: []string{"<NBPIPE_VAR_alpha alpha>:1 Wrong type ~ \"alpha\" ~ the string \"x\""}},
		{name: "secrets from outside", files: map[string]string{"x.hcl": "variable \"a\" {\n  type = number\n  sensitive = true\n}\n" +
			"variable \"b\" {\n  type = number\n  sensitive = true\n}\nvariable \"c\" {\n  type = number\n  sensitive = true\n}\nvariable \"d\" {\n  type = number\n  sensitive = true\n}\n",
			"a.auto.nbvars": "a = \"hunter2\"\n"},
			opts: func(o *lang.Options) {
				o.Variables = []lang.Assignment{{Name: "b", Value: `"hunter2"`, From: "--var"}, {Name: "c", Value: "hunter2(1)", From: "--var"}, {Name: "d", Value: "hunter2 s3cret", From: "--var"}}
			},
			want: []string{"a.auto.nbvars:1 Wrong type ~ sensitive and not shown", "<--var b>:1 Wrong type ~ not shown", "<--var c>:1 Invalid value ~ not shown", "<--var d>:1 Invalid value ~ not shown"}},
		{name: "nbvars", files: map[string]string{"x.hcl": variables, "a.auto.nbvars": "alpha = \"x\"\nbeta  = 2\nnames = local.x\nlocals {\n}\n"},
			want: []string{"a.auto.nbvars:1 Wrong type ~ takes a number", "a.auto.nbvars:2 Undefined variable", "a.auto.nbvars:3 Reference not allowed here", "a.auto.nbvars:4 Block in a file of variables"}},
		{name: "syntax errors in nbvars", files: map[string]string{
			"x.hcl":         variables + "variable \"other\" {\n  type = string\n}\nvariable \"last\" {\n  type = number\n}\n",
			"a.auto.nbvars": "token = \"hunter2\nalpha = 0.05 \"s3\"\nnames = [\"s3cret\" \"hunter2\"], token = \"s3cret\"\ntokn = hunter2 s3cret\nother = 'text\nlast = \"x\"\n",
			"b.auto.nbvars": "token { value = \"hunter2\" }\ntokem = \"s3cret\"\n",
			"c.auto.nbvars": "token = \"s3cret\xff\"\n",
			"d.auto.nbvars": "token = 1\ntoken = \"hunter2\"\n"},
			want: []string{"a.auto.nbvars:1 Invalid multi-line string ~ \"token\" cannot be read", "a.auto.nbvars:2 Missing newline after argument", "a.auto.nbvars:3 Missing item separator ~ \"names\" cannot be read",
				"a.auto.nbvars:4 Missing newline after argument ~ not shown", "a.auto.nbvars:5 Invalid character", "a.auto.nbvars:6 Wrong type ~ \"last\"",
				"b.auto.nbvars:1 Block in a file of variables", "b.auto.nbvars:2 Undefined variable ~ \"token\"", "c.auto.nbvars:1 The file is not UTF-8", "d.auto.nbvars:2 Attribute redefined"}},
		{name: "nbvars do not hide what is missing", files: map[string]string{"x.hcl": variables, "a.auto.nbvars": "names = [x\n"},
			want: []string{"a.auto.nbvars:1 Unterminated tuple constructor expression", "x.hcl:1 Variable without a value"}},
		{name: "syntax error before a sensitive value", files: map[string]string{"x.hcl": variables, "a.auto.nbvars": "alpha = 1\nnames = [\ntoken = \"hunter2\"\n"},
			want: []string{"a.auto.nbvars:3 Missing expression ~ \"names\" cannot be read", "a.auto.nbvars:3 Wrong type ~ not shown"}},
		{name: "syntax error beside a sensitive default", files: plain("variable \"token\" {\n  sensitive = true\n  default = \"hunter2\n}\n"),
			want: []string{"x.hcl:3 Invalid multi-line string ~ not shown"}},
		{name: "no --var-file", files: plain(""), opts: func(o *lang.Options) { o.Variables = []lang.Assignment{{File: "nowhere.nbvars"}} },
			want: []string{"nowhere.nbvars:1 The variables file cannot be read ~ No such file"}},
		{name: "many", files: plain("locals {\n" + manyErrors(150) + "}\n"), want: nil},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			dir := writeFiles(t, tc.files)
			if tc.link != "" {
				if err := os.Symlink(outside, filepath.Join(dir, tc.link)); err != nil {
					t.Skip(err)
				}
			}
			o := options()
			if tc.opts != nil {
				tc.opts(&o)
			}
			if tc.want == nil {
				x, diags := lang.Load(context.Background(), dir, o)
				if len(diags) != 101 || !strings.Contains(diags[100].Summary, "50 more") {
					t.Errorf("%d problems:\n%s", len(diags), text(x, diags[len(diags)-1:]))
				}
				return
			}
			var want []expected
			for _, w := range tc.want {
				at, rest, _ := strings.Cut(w, " ")
				if at[0] == '<' {
					i := strings.IndexByte(w, '>') + 1
					j := i + strings.IndexByte(w[i:], ' ')
					at, rest = w[:j], w[j+1:]
				}
				colon := strings.LastIndexByte(at, ':')
				line, err := strconv.Atoi(at[colon+1:])
				if err != nil {
					t.Fatal(w)
				}
				file := at[:colon]
				if file[0] != '<' && file != "nowhere.nbvars" {
					file = filepath.Join(dir, file)
				}
				want = append(want, parseExpected(file, line, rest))
			}
			checkErrors(t, dir, want, o)
		})
	}
}

func manyErrors(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  a%d = nothing\n", i)
	}
	return b.String()
}

// TestPrinter compares the printed form of some problems with testdata/printed.txt.
func TestPrinter(t *testing.T) {
	x, diags := lang.Load(context.Background(), "testdata/printed.hcl", options())
	var b strings.Builder
	for _, o := range []lang.PrintOptions{{}, {Width: 50, Color: true}} {
		fmt.Fprintf(&b, "--- %+v\n", o)
		if err := lang.WriteDiagnostics(&b, diags, x.Sources(), o); err != nil {
			t.Fatal(err)
		}
	}
	js, err := lang.DiagnosticsJSON(diags[:1], x.Sources())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "--- JSON\n%s\n", js)
	got := strings.ReplaceAll(b.String(), "\x1b", "ESC")
	const golden = "testdata/printed.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant (go test -update writes it):\n%s", got, want)
	}
}
