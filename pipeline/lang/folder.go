package lang

import (
	"path/filepath"

	"github.com/nbpipe/nbpipe/pipeline/lang/source"
	"github.com/nbpipe/nbpipe/stages"
)

// folder gives the functions path, file and fileset the files of one module.
type folder struct {
	tree *source.Tree
	dir  string
}

// Path implements functions.Files.
func (f *folder) Path(name string) (stages.File, error) {
	abs, err := f.tree.Resolve(f.dir, name)
	if err != nil {
		return stages.File{}, err
	}
	o, err := f.tree.Object(abs)
	return stages.File{Object: o, Name: filepath.Base(abs), Source: abs}, err
}

// Text implements functions.Files.
func (f *folder) Text(name string) (string, error) {
	abs, err := f.tree.Resolve(f.dir, name)
	if err != nil {
		return "", err
	}
	return f.tree.Text(abs)
}

// Set implements functions.Files.
func (f *folder) Set(dir, pattern string) ([]string, error) {
	abs, err := f.tree.Resolve(f.dir, dir)
	if err != nil {
		return nil, err
	}
	return f.tree.Match(abs, pattern)
}
