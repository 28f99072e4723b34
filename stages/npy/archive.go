package npy

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Archive is a .npz file: a zip archive, stored or deflated, of arrays by name.
type Archive struct {
	name    string
	members map[string]*zip.File
	names   []string
}

// OpenArchive reads the archive's directory. name stands in errors.
func OpenArchive(name string, r io.ReaderAt, size int64) (*Archive, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: it is no archive of arrays (.npz): %w. Write it with numpy.savez", name, err)
	}
	a := &Archive{name: name, members: map[string]*zip.File{}}
	for _, f := range z.File {
		array, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		if _, twice := a.members[array]; twice {
			return nil, fmt.Errorf("%s: it holds two arrays %q", name, array)
		}
		a.members[array] = f
		a.names = append(a.names, array)
	}
	return a, nil
}

// Names are the arrays' names in the archive's order.
func (a *Archive) Names() []string { return a.names }

// Raw opens a member's .npy file. Its checksum is verified where it ends.
func (a *Archive) Raw(array string) (io.ReadCloser, error) {
	f, ok := a.members[array]
	if !ok {
		return nil, fmt.Errorf("%s: it holds no array %q; it holds %q", a.name, array, a.names)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: array %q: %w", a.name, array, err)
	}
	return r, nil
}

// Open returns a reader of an array, which streams, and must be closed.
func (a *Archive) Open(array string) (*Member, error) {
	raw, err := a.Raw(array)
	if err != nil {
		return nil, err
	}
	// The directory's size of what is deflated is only a claim.
	r, err := NewReader(a.name+": "+array, raw, UnknownSize)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return &Member{Reader: r, raw: raw}, nil
}

// Member is an array of an archive.
type Member struct {
	*Reader
	raw io.ReadCloser
}

// Close releases what was opened.
func (m *Member) Close() error { return m.raw.Close() }

// Verify reads what follows the last element, so that the member's checksum is
// known to be right. All elements must have been read.
func (m *Member) Verify() error {
	n, err := io.Copy(io.Discard, m.raw)
	if err != nil {
		return fmt.Errorf("%s: %w: copy it again", m.name, err)
	}
	if n > 0 {
		return fmt.Errorf("%s: %d bytes follow the array's elements", m.name, n)
	}
	return nil
}
