// Command racing lists the packages of this module in which the race detector can find
// something: those with more than one goroutine in their own code, in their tests, or
// in anything that these import. The others are left out of its pass, which takes
// several times as long: one goroutine does not race.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if err := list(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pkg is what `go list` tells of a package. With its tests compiled in, a package a is
// called "a [a.test]", and ForTest is a.
type pkg struct {
	ImportPath, Dir, ForTest string
	Standard, DepOnly        bool
	GoFiles, CgoFiles, Deps  []string
}

func list(out io.Writer) error {
	all, err := packages()
	if err != nil {
		return err
	}
	concurrent := map[string]bool{}
	for _, p := range all {
		if concurrent[p.ImportPath], err = p.concurrent(); err != nil {
			return err
		}
	}
	var racing []string
	for _, p := range all {
		if p.ForTest != "" && !p.DepOnly && (concurrent[p.ImportPath] || slices.ContainsFunc(p.Deps, func(d string) bool { return concurrent[d] })) {
			racing = append(racing, p.ForTest)
		}
	}
	if len(racing) == 0 {
		return errors.New("no package has more than one goroutine: this program is wrong")
	}
	slices.Sort(racing)
	_, err = fmt.Fprintln(out, strings.Join(slices.Compact(racing), "\n"))
	return err
}

func packages() (all []pkg, err error) {
	raw, err := exec.Command("go", "list", "-deps", "-test", "-json=ImportPath,Dir,ForTest,Standard,DepOnly,GoFiles,CgoFiles,Deps", "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}

// starts are methods and functions that run what they are given in another goroutine.
var starts = []string{"Go", "AfterFunc", "Parallel", "RunParallel"}

// concurrent reports whether a package's own files start goroutines. Of the standard
// library, net/http calls its users from its own; what else it starts is its own affair.
func (p pkg) concurrent() (found bool, err error) {
	if p.Standard {
		return p.ImportPath == "net/http", nil
	}
	for _, name := range append(p.GoFiles, p.CgoFiles...) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Dir, name)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return false, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				found = true
			case *ast.SelectorExpr:
				found = found || slices.Contains(starts, n.Sel.Name)
			}
			return !found
		})
	}
	return found, nil
}
