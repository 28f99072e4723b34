package sandbox

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// System lists what every program may read: what distributions and
// administrators install, and what the kernel tells. What does not exist is
// passed over. /var, /home, /root, /srv, /mnt, /data and /tmp are not among them.
func System() []string {
	return []string{
		"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/etc", "/opt",
		"/nix/store", "/run/current-system", "/gnu/store", "/cvmfs", // packages
		"/proc", "/sys", // of the kernel; what belongs to other processes is withheld
		"/run/systemd/resolve", "/run/nscd", "/var/lib/sss/mc", // names of hosts and users
		"/var/cache/fontconfig", "/run/opengl-driver",
		"/dev/random", "/dev/urandom",
	}
}

// Devices lists what every program may read and write, as patterns.
func Devices() []string {
	return []string{
		"/dev/null", "/dev/zero", "/dev/full", "/dev/shm",
		"/dev/nvidia*", "/dev/kfd", "/dev/dri", "/dev/dxg", // GPUs
	}
}

// devices finds those that this machine has.
func devices() []string {
	var out []string
	for _, pattern := range Devices() {
		found, _ := filepath.Glob(pattern) // the patterns are well formed
		out = append(out, found...)
	}
	return out
}

// Programs lists what has to be readable so that the programs at paths, and those
// in the folders of PATH, run: for a program in PREFIX/bin, all of PREFIX, which
// is what a python of conda, pyenv, uv or a virtual environment needs. Symbolic
// links are followed, link by link, and a virtual environment names the python it
// was made from. Where the prefix is one of the private folders, or holds one, as
// HOME for HOME/bin, or a folder of the root, as /data for /data/bin, only bin, lib, lib64 and libexec of it are listed.
func (s *Sandbox) Programs(paths, folders []string) []string {
	found := map[string]bool{}
	for _, dir := range folders {
		s.install(dir, found)
	}
	for _, p := range paths {
		s.program(p, found)
	}
	out := make([]string, 0, len(found))
	for p := range found {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// program adds what a program's file and the links to it need.
func (s *Sandbox) program(path string, found map[string]bool) {
	const most = 40 // as the kernel follows
	for range most {
		if !filepath.IsAbs(path) {
			return
		}
		found[path] = true
		s.install(filepath.Dir(path), found)
		target, err := os.Readlink(path)
		if err != nil {
			return
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
}

// install adds a folder with programs, and what is installed around it.
func (s *Sandbox) install(dir string, found map[string]bool) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if found[dir] || dir == "/" || slices.Contains(s.Private, dir) || under(dir, System()) {
		return
	}
	found[dir] = true
	switch filepath.Base(dir) {
	case "bin", "sbin", "shims", "condabin", "Scripts":
	default:
		return
	}
	prefix := filepath.Dir(dir)
	if s.holdsPrivate(prefix) {
		for _, name := range []string{"bin", "lib", "lib64", "libexec"} {
			found[filepath.Join(prefix, name)] = true
		}
		return
	}
	found[prefix] = true
	if home := pythonHome(filepath.Join(prefix, "pyvenv.cfg")); home != "" {
		s.install(home, found)
	}
}

// holdsPrivate reports whether a folder with programs is not to be opened as a whole.
func (s *Sandbox) holdsPrivate(dir string) bool {
	if dir == "/" || filepath.Dir(dir) == "/" { // /data/bin does not open all of /data
		return true
	}
	return s.IsPrivate(dir)
}

// IsPrivate reports whether a folder is, or is above, a private one.
func (s *Sandbox) IsPrivate(dir string) bool {
	return slices.ContainsFunc(s.Private, func(p string) bool { return under(p, []string{filepath.Clean(dir)}) })
}

// pythonHome reads from the settings of a virtual environment where the python
// lies that it was made from.
func pythonHome(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		if home := strings.TrimSpace(value); strings.TrimSpace(name) == "home" && filepath.IsAbs(home) {
			return filepath.Clean(home)
		}
	}
	return ""
}

// under reports whether a clean path is one of the folders or lies in one.
func under(path string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return path == f || f == "/" || strings.HasPrefix(path, f) && path[len(f)] == '/'
	})
}

// withReal adds to paths what symbolic links in them stand for: Landlock knows
// only that.
func withReal(paths []string) []string {
	out := slices.Clone(paths)
	for _, p := range paths {
		if real, err := filepath.EvalSymlinks(p); err == nil && real != p {
			out = append(out, real)
		}
	}
	return out
}
