// Command noop measures what a run with nothing to do costs, for graphs of
// several shapes and sizes, in user and system CPU time, beside ninja on a graph
// of the same size in the same minute. Absolute times of a shared machine mean
// little; the ratio is the figure.
//
//	go run ./ci/bench/noop -nbpipe ./nbpipe
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	nbpipe := flag.String("nbpipe", "./nbpipe", "the binary")
	sizes := flag.String("sizes", "1000,10000", "numbers of nodes")
	flag.Parse()
	bin, err := filepath.Abs(*nbpipe)
	check(err)
	dir, err := os.MkdirTemp("", "nbpipe-bench-")
	check(err)
	defer os.RemoveAll(dir)
	fmt.Printf("%-22s %10s %10s %10s %10s %10s %8s\n", "graph", "plan", "first run", "no-op CPU", "RSS", "ninja CPU", "ratio")
	for _, size := range strings.Split(*sizes, ",") {
		var n int
		_, err := fmt.Sscan(size, &n)
		check(err)
		peer := ninja(filepath.Join(dir, "ninja"+size), n)
		for _, s := range shapes {
			measure(bin, filepath.Join(dir, s.name+size), s, n, peer)
		}
	}
}

type shape struct {
	name  string
	write func(n int) string
}

var shapes = []shape{
	{"for_each", forEach}, {"chain", chain}, {"fan-in", fanIn}, {"literal", literal},
}

func forEach(n int) string {
	return fmt.Sprintf(`command "run" "cell" {
  for_each = toset([for i in range(%d) : "c${i}"])
  argv     = ["sh", "-c", "echo ${each.key} > out.txt"]
  outputs  = { text = "out.txt" }
}
`, n)
}

func fanIn(n int) string {
	return forEach(n) + `
command "run" "all" {
  argv    = ["sh", "-c", "cat in/cells/* | wc -l > n.txt"]
  inputs  = { cells = { for k, c in command.cell : k => c.text } }
  outputs = { n = "n.txt" }
}
`
}

func chain(n int) string {
	var b strings.Builder
	for i := range n {
		input := ""
		if i > 0 {
			input = fmt.Sprintf("  inputs  = { before = command.c%d.text }\n", i-1)
		}
		fmt.Fprintf(&b, "command \"run\" \"c%d\" {\n  argv    = [\"sh\", \"-c\", \"echo %d > out.txt\"]\n%s  outputs = { text = \"out.txt\" }\n}\n", i, i, input)
	}
	return b.String()
}

func literal(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "command \"run\" \"c%d\" {\n  argv    = [\"sh\", \"-c\", \"echo %d > out.txt\"]\n  outputs = { text = \"out.txt\" }\n}\n", i, i)
	}
	return b.String()
}

func measure(bin, dir string, s shape, n int, peer time.Duration) {
	check(os.MkdirAll(dir, 0o755))
	check(os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(s.write(n)), 0o644))
	cache := filepath.Join(dir, ".cache")
	plan := cpu(run(bin, "plan", dir, "--cache", cache))
	started := time.Now()
	run(bin, "run", dir, "--cache", cache)
	first := time.Since(started)
	var noop []time.Duration
	var rss int64
	for range 7 {
		cmd := run(bin, "run", dir, "--cache", cache)
		noop = append(noop, cpu(cmd))
		rss = max(rss, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	}
	slices.Sort(noop)
	median := noop[len(noop)/2]
	ratio := "-"
	if peer > 0 {
		ratio = fmt.Sprintf("%.2f", float64(median)/float64(peer))
	}
	fmt.Printf("%-22s %7d ms %8.1f s %7d ms %7d MB %7d ms %8s\n", fmt.Sprintf("%s %d", s.name, n),
		plan.Milliseconds(), first.Seconds(), median.Milliseconds(), rss>>10, peer.Milliseconds(), ratio)
}

func run(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		log.Fatalf("%s: %v\n%s", cmd, err, tail(out))
	}
	return cmd
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

func cpu(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// ninja measures a no-op of n independent rules; 0 where it is not installed.
func ninja(dir string, n int) time.Duration {
	path, err := exec.LookPath("ninja")
	if err != nil {
		return 0
	}
	check(os.MkdirAll(dir, 0o755))
	var b strings.Builder
	b.WriteString("rule make\n  command = echo $name > $out\n")
	for i := range n {
		fmt.Fprintf(&b, "build out%d.txt: make\n  name = %d\n", i, i)
	}
	check(os.WriteFile(filepath.Join(dir, "build.ninja"), []byte(b.String()), 0o644))
	run(path, "-C", dir, "--quiet")
	var all []time.Duration
	for range 5 {
		all = append(all, cpu(run(path, "-C", dir, "--quiet")))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
