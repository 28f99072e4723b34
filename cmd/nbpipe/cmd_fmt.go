package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/nbpipe/nbpipe/pipeline/lang"
)

type fmtOptions struct{ check, diff bool }

func (a *app) fmtCommand() *cobra.Command {
	var o fmtOptions
	cmd := &cobra.Command{
		Use:   "fmt [FILE|FOLDER]...",
		Short: "Rewrite HCL files in the canonical style",
		Long:  "Rewrite HCL files in the canonical style, and list the names of those that changed.\nA folder means every *.hcl and *.nbvars file below it.",
		RunE:  func(cmd *cobra.Command, args []string) error { return a.fmt(args, o) },
	}
	cmd.Flags().BoolVar(&o.check, "check", false, "change nothing; exit with 5 if a file is not in the canonical style")
	cmd.Flags().BoolVar(&o.diff, "diff", false, "change nothing; show what would change")
	return cmd
}

func (a *app) fmt(args []string, o fmtOptions) error {
	if len(args) == 0 {
		args = []string{"."}
	}
	files, err := hclFiles(args)
	if err != nil {
		return withCode(exitUsage, err)
	}
	changed, failed := 0, false
	for _, f := range files {
		differs, err := a.fmtFile(f, o)
		switch {
		case errors.Is(err, errSyntax):
			failed = true
		case err != nil:
			return withCode(exitUsage, err)
		case differs:
			changed++
		}
	}
	switch {
	case failed:
		return silently(exitUsage)
	case changed > 0 && o.check:
		return silently(exitDifference)
	}
	return nil
}

var errSyntax = errors.New("syntax")

func (a *app) fmtFile(path string, o fmtOptions) (differs bool, err error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	if _, diags := hclsyntax.ParseConfig(src, path, hcl.InitialPos); diags.HasErrors() {
		if err := a.printDiagnostics(diags, map[string][]byte{path: src}); err != nil {
			return false, err
		}
		return false, errSyntax
	}
	out := lang.Format(src)
	if bytes.Equal(src, out) {
		return false, nil
	}
	if o.diff {
		fmt.Fprintf(a.stdout, "%s", diff.Diff(path, src, path+" (formatted)", out))
	} else {
		fmt.Fprintln(a.stdout, path)
	}
	if o.check || o.diff {
		return true, nil
	}
	return true, replaceFile(path, out)
}

// replaceFile writes beside the file and renames, keeping its mode.
func replaceFile(path string, data []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".nbpipe-fmt-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(info.Mode().Perm()), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}

func hclFiles(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			out = append(out, arg)
			continue
		}
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path != arg && (strings.HasPrefix(d.Name(), ".") || d.Name() == outFolder):
				return filepath.SkipDir
			case d.Type().IsRegular() && isHCL(d.Name()):
				out = append(out, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func isHCL(name string) bool {
	return !strings.HasPrefix(name, ".") && (strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".nbvars"))
}
