package lease

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/gpu"
	"github.com/nbpipe/nbpipe/stages/command"
)

// held are the locked files of a GPU.
type held struct {
	device gpu.Device
	files  []*os.File // the first one names the process
}

// lockOf says which file is locked for a GPU, and how.
type lockOf struct {
	name string
	how  int
}

// locksOf are the locks of a GPU. One process may know no more than its number, where
// nvidia-smi is not on its PATH, and another one its UUID, too: the number, shared
// among those, keeps the two apart. In containers numbers are not the machine's, and
// several GPUs may have the same one.
func locksOf(d gpu.Device) []lockOf {
	first := lockOf{nameOf(d), unix.LOCK_EX}
	if d.UUID == "" || fileName(d.ID) == first.name {
		return []lockOf{first}
	}
	return []lockOf{first, {fileName(d.ID), unix.LOCK_SH}}
}

// nameOf is the file of a GPU.
func nameOf(d gpu.Device) string {
	if d.UUID != "" {
		return fileName(d.UUID)
	}
	return fileName(d.ID)
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,99}$`)

func fileName(s string) string {
	if plainName.MatchString(s) {
		return s
	}
	return "other-" + cache.DigestOf([]byte(s)).String()
}

// record names the process that has a GPU.
type record struct {
	PID     int    `json:"pid"`
	Scratch string `json:"scratch"`
}

const maxRecord = 8 << 10

// sign names this process. Where that fails, as on a full disk, the lock holds all
// the same.
func (h *held) sign(r record) {
	h.clear() // what is there is no record
	if b, err := json.Marshal(r); err == nil {
		_, _ = h.files[0].WriteAt(b, 0)
	}
}

// signature is the process that is named; zero for none.
func (h *held) signature() (r record) {
	b, err := io.ReadAll(io.NewSectionReader(h.files[0], 0, maxRecord))
	if err != nil || json.Unmarshal(b, &r) != nil {
		return record{}
	}
	return r
}

func (h *held) clear() { _ = h.files[0].Truncate(0) }

// unlock lets others have the files. A copy of a descriptor may be open for a moment in
// a program that is being started just now, so that closing alone is not enough.
func (h *held) unlock() {
	for _, f := range h.files {
		_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
		_ = f.Close()
	}
}

func unlock(all []*held) {
	for _, h := range all {
		h.unlock()
	}
}

// bury ends what stages of a process that was killed have left running: the kernel has
// ended the programs themselves, but not their children.
func (r record) bury() {
	attempts, err := os.ReadDir(r.Scratch)
	if err != nil {
		return // another run of the same cache was here before
	}
	for _, a := range attempts {
		command.KillLeftOver(filepath.Join(r.Scratch, a.Name()))
	}
}
