package lease

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const wantedSuffix = ".wanted"

// want says to others that this process waits for GPUs. It is for fairness only: what
// fails is tried again with the next look.
func (f *Folder) want(names []string) {
	for _, name := range names {
		if f.wanted[name] != nil {
			continue
		}
		if file, err := f.lock(name+wantedSuffix, unix.LOCK_SH); err == nil {
			f.wanted[name] = file
		}
	}
}

func (f *Folder) wantNothing() {
	for name, file := range f.wanted {
		(&held{files: []*os.File{file}}).unlock()
		delete(f.wanted, name)
	}
}

// giveWay leaves a GPU that was given back to those that wait for it.
func (f *Folder) giveWay(name string) {
	delete(f.rests, name)
	if f.wanted[name] != nil {
		return // this process waits for it itself
	}
	file, err := f.lock(name+wantedSuffix, unix.LOCK_EX)
	if errors.Is(err, unix.EWOULDBLOCK) {
		f.rests[name] = f.now().Add(rest)
	}
	if err == nil {
		(&held{files: []*os.File{file}}).unlock()
	}
}
