package command

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// defaultPath is used where nbpipe itself has no PATH.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// lookup finds a variable in a list as os.Environ gives it.
func lookup(environ []string, name string) (string, bool) {
	for _, e := range environ {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

// searchPath returns the folders of PATH that are absolute: a relative one would
// mean another folder in every scratch folder.
func searchPath(environ []string) []string {
	path, _ := lookup(environ, "PATH")
	var out []string
	for _, d := range filepath.SplitList(path) {
		if filepath.IsAbs(d) {
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		return filepath.SplitList(defaultPath)
	}
	return out
}

// plainEnvironment is what every program gets, and tool probes, too.
func plainEnvironment(environ []string) map[string]string {
	return map[string]string{
		"PATH":                    strings.Join(searchPath(environ), string(filepath.ListSeparator)),
		"LANG":                    "C.UTF-8",
		"TZ":                      "UTC",
		"PYTHONHASHSEED":          "0",
		"PYTHONDONTWRITEBYTECODE": "1",
		"SOURCE_DATE_EPOCH":       "315532800",
	}
}

// environment is all that the program gets, sorted.
func (r *runner) environment() []string {
	env := plainEnvironment(r.in.Services.Environment)
	env["HOME"], env["TMPDIR"] = r.home(), r.home()
	env["NBPIPE_SEED"] = strconv.FormatUint(r.s.Seed, 10)
	env["OMP_NUM_THREADS"] = strconv.Itoa(max(r.in.CPUs, 1))
	for _, name := range r.s.PassEnvironment {
		if v, ok := lookup(r.in.Services.Environment, name); ok {
			env[name] = v
		}
	}
	if len(r.in.GPUs) > 0 { // numbers count as nvidia-smi does
		env["CUDA_VISIBLE_DEVICES"], env["CUDA_DEVICE_ORDER"] = strings.Join(r.in.GPUs, ","), "PCI_BUS_ID"
	}
	for k, v := range r.s.Environment {
		env[k] = v
	}
	for k, v := range r.s.Secrets {
		env[k] = v
	}
	return list(env)
}

func list(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}
