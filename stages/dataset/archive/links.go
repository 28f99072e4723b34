package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxLinkDepth bounds links that lead to links: eight times what Linux follows.
const maxLinkDepth = 320

// link is a symbolic or hard link, both names relative to the destination.
type link struct{ name, target string }

// linkMember notes a link whose target is written relative to the folder dir.
func (u *unpacker) linkMember(m member, dir, raw string) error {
	target, err := linkTarget(dir, raw)
	if err != nil {
		return err
	}
	if !m.keep {
		return nil
	}
	if m.full == "." {
		return errors.New("the archive's root is no link")
	}
	target, ok := stripped(target, u.opts.Strip)
	if !ok {
		return fmt.Errorf("it is a link to %s, which strip_components removes", quote(raw))
	}
	u.kept++
	u.links = append(u.links, link{name: m.name, target: target})
	return nil
}

// linkTarget resolves a link's target against dir, in names of the archive.
// A ".." is taken at the front only: behind a name its meaning would depend on
// whether that name is a link itself.
func linkTarget(dir, raw string) (string, error) {
	rest := raw
	for rest != "" {
		part, tail, _ := strings.Cut(rest, "/")
		if part != "." && part != ".." {
			break
		}
		if part == ".." {
			if dir == "." {
				return "", fmt.Errorf("it is a link to %s, outside the archive", quote(raw))
			}
			dir = path.Dir(dir)
		}
		if rest = tail; rest == "" {
			return dir, nil
		}
	}
	name, err := cleanName(rest)
	if err != nil {
		return "", fmt.Errorf("it is a link to %s, which is refused: %w", quote(raw), err)
	}
	return path.Join(dir, name), nil
}

// resolveLinks makes every link a copy of what it points at.
func (u *unpacker) resolveLinks() error {
	slices.SortFunc(u.links, func(a, b link) int { return strings.Compare(a.name, b.name) })
	l := &linker{u: u, state: make([]linkState, len(u.links))}
	for i := range u.links {
		if err := l.resolve(i, 0); err != nil {
			return fmt.Errorf("link %s to %s: %w", quote(u.links[i].name), quote(u.links[i].target), err)
		}
	}
	return nil
}

type linkState uint8

const (
	waiting linkState = iota
	resolving
	resolved
)

type linker struct {
	u     *unpacker
	state []linkState
}

// resolve copies link i's target, after the links that the target is, lies
// behind, or holds.
func (l *linker) resolve(i, depth int) error {
	switch {
	case l.state[i] == resolved:
		return nil
	case l.state[i] == resolving:
		return errors.New("it leads back to itself")
	case depth > maxLinkDepth:
		return fmt.Errorf("more than %d links lead to one another", maxLinkDepth)
	case within(l.u.links[i].name, l.u.links[i].target):
		return errors.New("it points at a folder that holds it")
	}
	l.state[i] = resolving
	name, target := l.u.links[i].name, l.u.links[i].target
	for _, j := range l.needed(target) {
		if err := l.resolve(j, depth+1); err != nil {
			return err
		}
	}
	l.state[i] = resolved
	if err := l.u.mkdir(path.Dir(name)); err != nil {
		return err
	}
	return l.u.copy(target, name)
}

// needed lists links at, above and below target.
func (l *linker) needed(target string) []int {
	var out []int
	for i, c := range target + "/" {
		if c != '/' {
			continue
		}
		if j, ok := l.find(target[:i]); ok {
			out = append(out, j)
		}
	}
	j, _ := l.find(target + "/")
	for ; j < len(l.u.links) && within(l.u.links[j].name, target); j++ {
		out = append(out, j)
	}
	return out
}

func (l *linker) find(name string) (int, bool) {
	return slices.BinarySearchFunc(l.u.links, name, func(e link, n string) int { return strings.Compare(e.name, n) })
}

// copy copies a file or folder that was unpacked, within the limits.
func (u *unpacker) copy(from, to string) error {
	if len(to) > maxTarget {
		return errors.New("the name gets too long")
	}
	if err := u.budget.member(); err != nil {
		return err
	}
	info, err := u.root.Lstat(from)
	switch {
	case errors.Is(err, fs.ErrNotExist) && u.opts.Member != "":
		return errors.New("its target is not in the part that member keeps: name the target, or unpack everything")
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("its target is not in the archive")
	case err != nil:
		return err
	case !info.IsDir():
		return u.copyFile(from, to, info.Mode()&0o111 != 0)
	}
	if err := u.root.Mkdir(to, 0o755); err != nil {
		return fmt.Errorf("the archive has this name twice: %w", err)
	}
	u.dirs[to] = struct{}{}
	return u.copyEntries(from, to)
}

func (u *unpacker) copyEntries(from, to string) error {
	d, err := u.root.Open(from)
	if err != nil {
		return err
	}
	entries, err := d.ReadDir(-1)
	_ = d.Close()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := u.copy(path.Join(from, e.Name()), path.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) copyFile(from, to string, exec bool) error {
	src, err := u.root.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	dst, err := u.create(to, exec)
	if err != nil {
		return err
	}
	if err := u.write(dst, src); err != nil {
		_ = dst.Close()
		return err
	}
	return dst.Close()
}
