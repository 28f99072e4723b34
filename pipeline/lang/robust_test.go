package lang_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/lang"
	"github.com/nbpipe/nbpipe/stages/racetest"
)

func TestHostileFiles(t *testing.T) {
	racetest.Skip(t, "loading is the work of one goroutine")
	nest := func(open, inner, shut string, n int) string {
		return "locals {\n a = " + strings.Repeat(open, n) + inner + strings.Repeat(shut, n) + "\n}\n"
	}
	chain := func(sep string, n int) string { return "locals {\n a = 1" + strings.Repeat(sep+"1", n) + "\n}\n" }
	tests := []struct{ name, src, want string }{
		{"10 MB of comments", strings.Repeat("# a comment that goes on\n", 420_000), "The file is too large"},
		{"10 MB in one string", "locals {\n a = \"" + strings.Repeat("x", 10<<20) + "\"\n}\n", "The file is too large"},
		{"7 MB in one string", "locals {\n a = \"" + strings.Repeat("x", 7<<20) + "\"\n}\n", ""},
		{"7 MB of opening brackets", "locals {\n a = " + strings.Repeat("[", 7<<20), "Nested too deeply"},
		{"7 MB of minus signs", "locals {\n a = " + strings.Repeat("-", 7<<20) + "1\n}\n", "Expression with too many operators"},
		{"a million additions", chain(" + ", 1_000_000), "Expression with too many operators"},
		{"additions over lines in brackets", "locals {\n a = (1" + strings.Repeat(" +\n1", 5000) + ")\n}\n", "Expression with too many operators"},
		{"additions over lines in a for", "locals {\n a = {for x in [1] : x => 1" + strings.Repeat("\n+ 1", 5000) + "}\n}\n", "Expression with too many operators"},
		{"conditions", "locals {\n a = " + strings.Repeat("true ? 1 : ", 100_000) + "1\n}\n", "Expression with too many operators"},
		{"index chain", "locals {\n x = [1]\n a = local.x" + strings.Repeat("[local.x[0]]", 3000) + "\n}\n", "Expression with too many operators"},
		{"900 additions", chain(" + ", 900), ""},
		{"list of 100,000", "locals {\n a = [" + strings.Repeat("1 + 1,\n", 100_000) + "]\n}\n", ""},
		{"nested brackets", nest("[", "1", "]", 250), "Nested too deeply"},
		{"nested objects", nest("{ a = ", "1", "}", 250), "Nested too deeply"},
		{"nested parentheses", nest("(", "1", ")", 250), "Nested too deeply"},
		{"nested templates", nest(`"${`, "1", `}"`, 250), "Nested too deeply"},
		{"nested directives", "locals {\n a = \"" + strings.Repeat("%{ if true }", 100_000) + "\"\n}\n", "Nested too deeply"},
		{"nested blocks", strings.Repeat("locals {\n", 250) + strings.Repeat("}\n", 250), "Nested too deeply"},
		{"heredoc of brackets", "locals {\n a = <<EOT\n" + strings.Repeat("(((((\n", 5000) + "EOT\n}\n", ""},
		{"string of brackets", "locals {\n a = \"" + strings.Repeat("([{", 5000) + "\"\n}\n", ""},
		{"comment of brackets", "# " + strings.Repeat("([{", 5000) + "\nlocals {\n a = 1\n}\n", ""},
		{"150 deep", nest("[", "1", "]", 150), ""},
		{"NUL", "locals {\n a = \"x\x00\"\n}\n", "NUL byte in the file"},
		{"UTF-16", "\xff\xfel\x00o\x00", "NUL byte in the file"},
		{"Latin-1", "locals {\n a = \"caf\xe9\"\n}\n", "The file is not UTF-8"},
		{"BOM", "\xef\xbb\xbflocals {\n a = 1\n}\n", ""},
		{"CRLF", "locals {\r\n a = <<EOT\r\nx\r\nEOT\r\n}\r\n", ""},
		{"empty", "", ""},
		{"deep JSON", "locals {\n a = jsondecode(join(\"\", [for i in range(100000) : \"[\"]))\n}\n", "Wrong argument of a function"},
		{"huge product of locals", bomb(60), "Value too large"},
		{"long chain of locals", longChain(5000), "Chain of values too long"},
		{"nested splat on errors", "locals {\n x = [[1]]\n a = local.x" + strings.Repeat("[*].b", 60) + "\n}\n", "No such member"},
		{"conditions of nested for", "locals {\n a = " + strings.Repeat("[for x in [1, 2] : x if length(", 40) + "[1]" + strings.Repeat(") > 0]", 40) + "\n}\n", "Too much work"},
		{"250,000 nodes", "command \"run\" \"c\" {\n for_each = toset([for i in range(250000) : tostring(i)])\n argv = [\"sh\"]\n}\n", "Too many nodes"},
		{"distinct of 100,000", "locals {\n a = length(distinct([for i in range(100000) : tostring(i)]))\n}\n", ""},
		{"200,000 to a set", "locals {\n a = length(toset([for i in range(200000) : { k = tostring(i) }]))\n}\n", "Function failed"},
		{"100,000 as arguments", "command \"run\" \"c\" {\n argv = [for i in range(100000) : tostring(i)]\n env = {for i in range(100000) : \"k${i}\" => i}\n}\n", ""},
		{"branches of 100,000", "locals {\n a = true ? [for i in range(100000) : i] : []\n b = length(local.a)\n}\n", ""},
		{"8 MB of numbers", "locals {\n a = [" + strings.Repeat("1,", 4_000_000) + "]\n}\n", "The experiment is too large"},
		{"8 MB of one number", "locals {\n a = " + strings.Repeat("1", 8_000_000) + "\n}\n", "Number out of range"},
		{"8 MB of dollars", "locals {\n a = " + strings.Repeat("$ ", 4_000_000) + "\n}\n", "The experiment is too large"},
		{"8 MB of wrong escapes", "locals {\n a = \"" + strings.Repeat("\\q", 4_000_000) + "\"\n}\n", "The experiment is too large"},
		{"100,000 dollars", "locals {\n a = " + strings.Repeat("$ ", 100_000) + "\n}\n", "Invalid character"},
		{"50,000 blocks with a syntax error", strings.Repeat("locals {\n a = 1 2\n}\n", 50_000), "Missing newline after argument"},
		{"50,000 blocks that stay open", strings.Repeat("locals {\n a = [\n", 50_000), "Nested too deeply"},
		{"50,000 open strings", strings.Repeat("locals {\n a = \"x\n}\n", 50_000), "Invalid multi-line string"},
		{"searching a long list", "locals {\n a = range(400000)\n b = [for i in range(400000) : contains(local.a, -1)]\n}\n", "Too much work"},
		{"comparing long lists", "locals {\n a = [for i in range(300000) : i]\n b = [for i in range(300000) : local.a == [for j in local.a : j]]\n}\n", "Too much work"},
		{"regular expressions over long texts", "locals {\n a = join(\"\", [for i in range(100000) : \"aaaaaaaaaa\"])\n b = [for i in range(200) : regexall(\"(a*)*b\", local.a)]\n}\n", "Too much work"},
		{"long lists in many blocks", longLists(200), "Value too large"},
		{"list of many types", "locals {\n a = tolist([for i in range(100000) : { \"k${i}\" = 1 }])\n}\n", "Function failed"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{"x.hcl": tc.src})
			within(t, mostWork, func(ctx context.Context) {
				x, diags := lang.Load(ctx, dir, options())
				if !diags.HasErrors() {
					diags = x.Check(x.NewState())
				}
				switch {
				case tc.want == "" && len(diags) > 0:
					t.Errorf("not expected:\n%.2000s", text(x, diags))
				case tc.want != "" && (len(diags) == 0 || diags[0].Summary != tc.want):
					t.Errorf("want %q, got:\n%.2000s", tc.want, text(x, diags))
				}
				for _, d := range diags {
					if d.Summary == "Internal error" {
						t.Errorf("%s", d.Detail)
					}
				}
				if n := len(text(x, diags)); n > 200_000 {
					t.Errorf("%d bytes of problems", n)
				}
			})
		})
	}
}

// bomb doubles a value n times.
func bomb(n int) string {
	var b strings.Builder
	b.WriteString("locals {\n a0 = [1]\n")
	for i := range n {
		a := "local.a" + itoa(i)
		b.WriteString(" a" + itoa(i+1) + " = [" + a + ", " + a + "]\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func longLists(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("command \"run\" \"c" + itoa(i) + "\" {\n argv = range(990000)\n}\n")
	}
	return b.String()
}

func longChain(n int) string {
	var b strings.Builder
	b.WriteString("locals {\n a0 = 1\n")
	for i := range n {
		b.WriteString(" a" + itoa(i+1) + " = local.a" + itoa(i) + "\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func itoa(i int) string {
	if i < 10 {
		return string(rune('0' + i))
	}
	return itoa(i/10) + string(rune('0'+i%10))
}

// little is enough for a file of a few lines, and for one that is not read.
var little = work{bytes: 16 << 20, objects: 100_000, thread: time.Second * slowdown}

func TestOddFiles(t *testing.T) {
	outside := writeFiles(t, map[string]string{"secret.hcl": "locals {\n a = 1\n}\n", "data.txt": "x"})
	tests := []struct {
		name string
		make func(dir string) error
		want string
	}{
		{"link out of the folder", func(d string) error {
			return os.Symlink(filepath.Join(outside, "secret.hcl"), filepath.Join(d, "y.hcl"))
		}, "The file leaves the experiment"},
		{"broken link", func(d string) error { return os.Symlink("nowhere", filepath.Join(d, "y.hcl")) }, "The file cannot be read"},
		{"link to itself", func(d string) error { return os.Symlink("y.hcl", filepath.Join(d, "y.hcl")) }, "The file cannot be read"},
		{"named pipe", func(d string) error { return syscall.Mkfifo(filepath.Join(d, "y.hcl"), 0o600) }, "The file cannot be read"},
		{"folder", func(d string) error { return os.Mkdir(filepath.Join(d, "y.hcl"), 0o755) }, "The file cannot be read"},
		{"device", func(d string) error { return os.Symlink("/dev/zero", filepath.Join(d, "y.hcl")) }, "The file leaves the experiment"},
		{"link inside the folder", func(d string) error { return os.Symlink("x.txt", filepath.Join(d, "y.hcl")) }, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{"x.hcl": "locals {\n b = 1\n}\n", "x.txt": ""})
			if err := tc.make(dir); err != nil {
				t.Skip(err)
			}
			within(t, little, func(ctx context.Context) {
				x, diags := lang.Load(ctx, dir, options())
				if tc.want == "" && len(diags) > 0 || tc.want != "" && (len(diags) != 1 || diags[0].Summary != tc.want) {
					t.Errorf("want %q, got:\n%s", tc.want, text(x, diags))
				}
			})
		})
	}
}

func TestNoExperiment(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{dir: "No experiment in the folder", filepath.Join(dir, "none"): "The experiment cannot be read"} {
		x, diags := lang.Load(context.Background(), path, options())
		if len(diags) != 1 || diags[0].Summary != want || x == nil {
			t.Errorf("%s: %v", path, diags)
			continue
		}
		if text(x, diags) == "" || x.Check(x.NewState()).HasErrors() {
			t.Error("an experiment that could not be loaded cannot be asked")
		}
	}
}

func TestPathsThroughLinks(t *testing.T) {
	outside := writeFiles(t, map[string]string{"data.txt": "x"})
	dir := writeFiles(t, map[string]string{"sub/x.hcl": "", "sub/in.txt": "y"})
	if err := os.Symlink(outside, filepath.Join(dir, "sub/out")); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink("in.txt", filepath.Join(dir, "sub/link.txt")); err != nil {
		t.Skip(err)
	}
	decomposed := "cafe\u0301.txt" // as some systems write names; cty makes it one character
	if err := os.WriteFile(filepath.Join(dir, "sub", decomposed), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for call, want := range map[string]string{
		`path("out/data.txt")`: "leaves the experiment's folder", `path("out")`: "leaves the experiment's folder",
		`path("link.txt")`: "", `path("./in.txt")`: "", `path(".")`: "the experiment's own folder", `file("link.txt")`: "",
		`path("` + decomposed + `")`: "", `path("caf\u00e9.txt")`: "", `path("im.txt")`: `Did you mean "in.txt"`,
		`file(".")`: "it is a folder", `path("in.txt/x")`: "",
	} {
		src := "locals {\n a = " + call + "\n}\n"
		if err := os.WriteFile(filepath.Join(dir, "sub/x.hcl"), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		x, diags := lang.Load(context.Background(), filepath.Join(dir, "sub"), options())
		got := strings.ToLower(strings.Join(strings.Fields(text(x, diags)), " "))
		if call == `path("in.txt/x")` {
			if !diags.HasErrors() {
				t.Errorf("%s is no error", call)
			}
			continue
		}
		if want == "" && got != "" || !strings.Contains(got, strings.ToLower(want)) {
			t.Errorf("%s: want %q, got:\n%s", call, want, got)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	src := "locals {\n r = range(1000)\n a = [for x in local.r : [for y in local.r : [for z in local.r : 1]]]\n}\n"
	within(t, little, func(context.Context) {
		_, diags := lang.Load(ctx, writeFiles(t, map[string]string{"x.hcl": src}), options())
		if !diags.HasErrors() {
			t.Error("loading went on")
		}
	})
}

// TestOrder asks for the same nodes in the same order, and the same problems, each time.
func TestOrder(t *testing.T) {
	var first, firstText string
	for i := range 5 {
		x, diags := lang.Load(context.Background(), "testdata/valid/transfer.hcl", options())
		var names []string
		for _, n := range x.Nodes {
			names = append(names, n.Address)
		}
		y, bad := lang.Load(context.Background(), "testdata/errors/variables.hcl", options())
		got, shown := strings.Join(names, " "), text(y, bad)
		if i == 0 {
			first, firstText = got, shown
		}
		if got != first || shown != firstText || len(diags) > 0 {
			t.Fatalf("%s\n%s", got, shown)
		}
	}
	if first == "" {
		t.Error("no nodes")
	}
}
