package command

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// live are the programs that run just now.
var live = struct {
	sync.Mutex
	all map[*process]struct{}
}{all: map[*process]struct{}{}}

// KillAll ends every program that runs, with its whole session, at once: for
// when nbpipe itself is about to end without waiting for them.
func KillAll() {
	live.Lock()
	defer live.Unlock()
	for p := range live.all {
		p.signal(syscall.SIGKILL)
	}
}

// processNote is a file in a stage's scratch folder: number and start time of
// the leader of the session that works there.
const processNote = "process"

func (p *process) remember() {
	live.Lock()
	live.all[p] = struct{}{}
	live.Unlock()
	if started, ok := startTime(p.pid); ok {
		// Without the note, what nbpipe's own death leaves behind lives on.
		_ = os.WriteFile(p.note, fmt.Appendf(nil, "%d %s\n", p.pid, started), 0o644)
	}
}

func (p *process) forget() {
	live.Lock()
	delete(live.all, p)
	live.Unlock()
	_ = os.Remove(p.note)
}

// KillLeftOver ends what still runs in the scratch folder of a stage whose
// nbpipe was killed: the kernel ended the program itself, but not its children.
func KillLeftOver(scratch string) {
	b, err := os.ReadFile(filepath.Join(scratch, processNote))
	if err != nil {
		return
	}
	number, started, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	pid, err := strconv.Atoi(number)
	if err != nil || pid <= 1 {
		return
	}
	// A number is not given to another process while a session has it. So if there
	// is a process of that number, it is the leader itself or the session is gone.
	if now, ok := startTime(pid); ok && now != started {
		return
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}

// startTime identifies a process beside its number; ok is false where there is
// no such process, or no /proc.
func startTime(pid int) (string, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", false
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	const at = 22 - 3 // of the start time, see proc(5)
	if len(fields) <= at {
		return "", false
	}
	return fields[at], true
}
