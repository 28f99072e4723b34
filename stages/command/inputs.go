package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
)

// inputFolder is where inputs lie in the working folder.
const inputFolder = "in"

// layInputs puts every input at its name, and makes all of it read-only.
func (r *runner) layInputs(ctx context.Context) error {
	if r.s.Inputs == cty.NilVal || r.s.Inputs.IsNull() || r.s.Inputs.LengthInt() == 0 {
		return nil
	}
	if err := r.lay(ctx, inputFolder, r.s.Inputs); err != nil {
		return err
	}
	r.stamps = map[string]stamp{}
	return r.walkInputs(func(rel, path string, info fs.FileInfo) error {
		if mode := info.Mode().Perm(); mode&0o222 != 0 {
			if err := os.Chmod(path, mode&^0o222); err != nil {
				return fmt.Errorf("making %s read-only: %w", rel, err)
			}
			var err error
			if info, err = os.Lstat(path); err != nil {
				return err
			}
		}
		r.stamps[rel] = stampOf(info)
		return nil
	})
}

// lay puts a value at rel: a file or folder itself, or a folder of elements.
func (r *runner) lay(ctx context.Context, rel string, v cty.Value) error {
	dest := filepath.Join(r.work, filepath.FromSlash(rel))
	if f, ok := stages.AsFile(v); ok {
		if v.Type().Equals(stages.TableType) {
			return r.layTable(ctx, rel, dest, f)
		}
		if err := r.in.Store.Materialise(ctx, f, dest); err != nil {
			return fmt.Errorf("input %s: %w", rel, err)
		}
		return nil
	}
	if v.IsNull() {
		return nil
	}
	if !isCollection(v.Type()) {
		return fmt.Errorf("input %s: a %s is no file; give plain values in argv or environment", rel, v.Type().FriendlyName())
	}
	if err := os.Mkdir(dest, 0o755); err != nil {
		return fmt.Errorf("input %s: %w", rel, err)
	}
	var failed error
	eachElement(v, func(name string, e cty.Value) {
		if failed != nil {
			return
		}
		if failed = checkComponent(name); failed != nil {
			failed = fmt.Errorf("input %s: %w", rel, failed)
			return
		}
		failed = r.lay(ctx, rel+"/"+name, e)
	})
	return failed
}

// layTable puts a table where programs can read it, as comma-separated values.
func (r *runner) layTable(ctx context.Context, rel, dest string, f stages.File) (err error) {
	data, err := r.in.Store.ReadAll(ctx, f)
	if err != nil {
		return fmt.Errorf("input %s: %w", rel, err)
	}
	t, err := table.Decode(data)
	if err != nil {
		return fmt.Errorf("input %s: %w", rel, err)
	}
	out, err := os.Create(dest)
	if err != nil {
		return fmt.Errorf("input %s: %w", rel, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return t.WriteCSV(out)
}

func isCollection(t cty.Type) bool {
	return t.IsListType() || t.IsSetType() || t.IsTupleType() || t.IsMapType() || t.IsObjectType()
}

// eachElement calls yield for the elements of a known collection, with their
// key, or their number in a list.
func eachElement(v cty.Value, yield func(name string, e cty.Value)) {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return
	}
	v, _ = v.Unmark()
	if !v.CanIterateElements() {
		return
	}
	named := v.Type().IsMapType() || v.Type().IsObjectType()
	i := 0
	for it := v.ElementIterator(); it.Next(); i++ {
		k, e := it.Element()
		e, _ = e.Unmark()
		if named {
			yield(k.AsString(), e)
		} else {
			yield(strconv.Itoa(i), e)
		}
	}
}

// checkComponent checks a name that becomes the name of a file.
func checkComponent(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("%q is no file name", name)
	case strings.ContainsAny(name, `/\`):
		return fmt.Errorf("%q has a slash, and is to be the name of a file in a folder", name)
	case strings.IndexFunc(name, unicode.IsControl) >= 0:
		return fmt.Errorf("%q has control characters, and is to be the name of a file", name)
	case len(name) > 255:
		return fmt.Errorf("%q... is longer than a file name can be", name[:40])
	}
	return nil
}

// stamp tells whether a file was touched.
type stamp struct {
	dir   bool
	size  int64
	mtime int64
	mode  fs.FileMode
}

func stampOf(info fs.FileInfo) stamp {
	if info.IsDir() { // its size and time change with files that are added, see verifyInputs
		return stamp{dir: true}
	}
	return stamp{size: info.Size(), mtime: info.ModTime().UnixNano(), mode: info.Mode()}
}

// walkInputs visits everything below and including the input folder.
func (r *runner) walkInputs(visit func(rel, path string, info fs.FileInfo) error) error {
	return filepath.WalkDir(filepath.Join(r.work, inputFolder), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(r.work, path)
		return visit(filepath.ToSlash(rel), path, info)
	})
}

// verifyInputs compares the inputs with what was laid out: modes do not stop
// root, and a program may take the write protection away. Files that were
// added are undeclared ones.
func (r *runner) verifyInputs() error {
	if r.stamps == nil {
		return nil
	}
	found := 0
	err := r.walkInputs(func(rel, _ string, info fs.FileInfo) error {
		want, known := r.stamps[rel]
		switch {
		case !known && !info.IsDir():
			r.undeclared = append(r.undeclared, rel)
			return nil
		case !known:
			return nil
		}
		found++
		if stampOf(info) != want {
			return changedInput(rel)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return changedInput(inputFolder)
	}
	if err != nil {
		return err
	}
	if found < len(r.stamps) {
		for rel := range r.stamps {
			if _, err := os.Lstat(filepath.Join(r.work, rel)); err != nil {
				return changedInput(rel)
			}
		}
	}
	return nil
}

func changedInput(rel string) error {
	return fmt.Errorf("the command changed its input %s: inputs are read-only, and the result is not kept. Let it work on a copy: cp -r %s copy && chmod -R u+w copy", rel, rel)
}
