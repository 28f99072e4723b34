package cosmic

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/npy"
)

const (
	skyFile     = "sky.npy"
	mostMembers = 1 << 20
	mostSky     = 1 << 16 // exposures of a folder
	mostSkies   = 1 << 22 // of all folders
)

// walk reads the .npy files of a tar archive in its order.
func walk(ctx context.Context, in *stages.Input, file stages.File, visit func(name string, size int64, r io.Reader) error) error {
	if file.Tree {
		return errors.New("it is a folder, and the tar archive itself is needed: leave out unpack where it is fetched")
	}
	f, err := in.Store.Open(ctx, file)
	if err != nil {
		return err
	}
	defer f.Close()
	t := tar.NewReader(f)
	for n := 0; ; n++ {
		h, err := t.Next()
		if err == io.EOF {
			_, err := io.Copy(io.Discard, f) // to the digest at the file's end
			return err
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // nothing is written under a member's name
			return fmt.Errorf("reading a tar archive: %w", err)
		}
		if n >= mostMembers {
			return fmt.Errorf("it has more than %d members", mostMembers)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		base := path.Base(h.Name)
		if h.Typeflag != tar.TypeReg || !strings.HasSuffix(base, ".npy") || strings.HasPrefix(base, ".") {
			continue
		}
		if err := visit(path.Clean(h.Name), h.Size, t); err != nil {
			return err
		}
	}
}

// names are the paths of an archive's images, sorted; of those in folders, if any are
// named.
func names(ctx context.Context, in *stages.Input, file stages.File, folders []string) ([]string, error) {
	var all []string
	err := walk(ctx, in, file, func(name string, _ int64, _ io.Reader) error {
		if path.Base(name) != skyFile && wanted(name, folders) {
			all = append(all, name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	for i := 1; i < len(all); i++ {
		if all[i] == all[i-1] {
			return nil, fmt.Errorf("it has %q twice", all[i])
		}
	}
	if len(all) == 0 {
		return nil, errors.New("it has no .npy files of images, or none in the folders that are named")
	}
	return all, nil
}

// wanted tells whether a path goes through one of the folders, each one or several
// parts of a path.
func wanted(name string, folders []string) bool {
	if len(folders) == 0 {
		return true
	}
	return slices.ContainsFunc(folders, func(f string) bool {
		return strings.Contains("/"+path.Dir(name)+"/", "/"+strings.Trim(f, "/")+"/")
	})
}

// exposure is the number that a file's name begins with.
func exposure(name string) (int, error) {
	number, _, _ := strings.Cut(path.Base(name), "_")
	n, err := strconv.Atoi(strings.TrimSuffix(number, ".npy"))
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s: its name does not begin with the number of an exposure, from 1, and its folder has a %s", name, skyFile)
	}
	return n, nil
}

// sky reads the levels of a folder's exposures.
func sky(name string, size int64, r io.Reader) ([]float64, error) {
	a, err := npy.NewReader(name, r, size)
	if err != nil {
		return nil, err
	}
	return npy.ReadAll[float64](a, 8*mostSky)
}
