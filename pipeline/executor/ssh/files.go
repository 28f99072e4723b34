package ssh

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
)

// What workers read has other paths on their hosts, whose home folders may be called
// differently: arguments and the files themselves are told so.

// filesName lists what workers read, so that another controller keeps it fresh.
const filesName = "ssh-files.json"

func (l *launcher) readFiles() error {
	b, err := os.ReadFile(filepath.Join(l.site.Dir, filesName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var list []string
	if err := json.Unmarshal(b, &list); err != nil {
		return fmt.Errorf("%s is damaged: delete it: %w", filepath.Join(l.site.Dir, filesName), err)
	}
	for _, path := range list {
		if _, err := os.Stat(path); err == nil {
			l.files[path] = true
		}
	}
	return nil
}

func (l *launcher) addFiles(workers []launch.Worker) error {
	before := len(l.files)
	for _, w := range workers {
		for _, path := range w.Files {
			l.files[path] = true
		}
	}
	if len(l.files) == before {
		return nil
	}
	b, err := json.Marshal(l.sortedFiles())
	if err != nil {
		return err
	}
	return cache.ReplaceFile(filepath.Join(l.site.Dir, filesName), b, 0o600, true)
}

func (l *launcher) sortedFiles() []string { return slices.Sorted(maps.Keys(l.files)) }

// remoteName is what a file is called on a host.
func remoteName(path string) string { return cache.DigestOf([]byte(path)).String()[:16] }

// translate puts the paths of a host in the place of those of this machine, in
// arguments: alone, or after an equals sign.
func translate(args, files []string, folder string) []string {
	var out []string
	for _, a := range args {
		for _, path := range files {
			option, value, ok := strings.Cut(a, "=")
			switch {
			case a == path:
				a = folder + "/" + remoteName(path)
			case ok && value == path && strings.HasPrefix(option, "-"):
				a = option + "=" + folder + "/" + remoteName(path)
			}
		}
		out = append(out, a)
	}
	return out
}

// translateContent does so in a file that names others, as JSON does.
func translateContent(b []byte, files []string, folder string) []byte {
	for _, path := range files {
		if old, err := json.Marshal(path); err == nil {
			b = bytes.ReplaceAll(b, old, []byte(`"`+folder+"/"+remoteName(path)+`"`))
		}
	}
	return b
}
