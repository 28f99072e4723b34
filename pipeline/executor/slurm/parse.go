package slurm

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// queueFormat is what squeue is asked for, a line a task. The comment is last: what
// other programs write there may hold anything.
const queueFormat = "%A|%F|%K|%T|%r|%N|%k"

// task is one line of squeue.
type task struct {
	job     string // its own number
	array   string // the number of the array
	index   int    // in the array
	state   string // PENDING, RUNNING, ...
	reason  string
	host    string
	comment string
}

// parseQueue reads what squeue prints; lines of jobs that are no tasks of an array
// are left out.
func parseQueue(out string) ([]task, error) {
	var tasks []task
	for line := range strings.Lines(out) {
		f := strings.SplitN(strings.TrimRight(line, "\r\n"), "|", 7)
		if len(f) != 7 {
			if strings.TrimSpace(line) == "" {
				continue
			}
			return nil, fmt.Errorf("squeue printed a line that is not understood: %q", shorten(line))
		}
		index, err := strconv.Atoi(f[2])
		if err != nil || index < 0 {
			continue
		}
		tasks = append(tasks, task{job: f[0], array: f[1], index: index, state: strings.ToUpper(f[3]), reason: f[4], host: f[5], comment: f[6]})
	}
	return tasks, nil
}

// machinesFormat is what sinfo is asked for: partition with a star on the default,
// whether it is up, time limit, number of machines, state, cores, MiB, GPUs, features.
const machinesFormat = "%P|%a|%l|%D|%T|%c|%m|%G|%f"

// machines are some machines of a partition that are alike.
type machines struct {
	partition string
	isDefault bool
	up        bool
	minutes   int64 // time limit of the partition, 0 for none
	number    int
	state     string
	cpus      int
	memory    int64          // MiB
	gpus      map[string]int // by model; "" for those without
	features  []string
}

func parseMachines(out string) ([]machines, error) {
	var all []machines
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		f := strings.SplitN(line, "|", 9)
		if len(f) != 9 {
			return nil, fmt.Errorf("sinfo printed a line that is not understood: %q", shorten(line))
		}
		m := machines{up: f[1] == "up", state: f[4], gpus: parseGPUs(f[7])}
		m.partition, m.isDefault = strings.CutSuffix(f[0], "*")
		var errs [4]error
		m.minutes, errs[0] = parseLimit(f[2])
		m.number, errs[1] = strconv.Atoi(f[3])
		m.cpus, errs[2] = strconv.Atoi(strings.TrimSuffix(f[5], "+"))
		m.memory, errs[3] = strconv.ParseInt(strings.TrimSuffix(f[6], "+"), 10, 64)
		if err := errors.Join(errs[:]...); err != nil {
			return nil, fmt.Errorf("sinfo printed a line that is not understood: %q", shorten(line))
		}
		if f[8] != "(null)" {
			m.features = strings.Split(f[8], ",")
		}
		all = append(all, m)
	}
	return all, nil
}

// parseGPUs reads generic resources: "gpu:a100:4(S:0-1),gpu:2,mps:200".
func parseGPUs(s string) map[string]int {
	out := map[string]int{}
	for _, part := range splitOutside(s) {
		if i := strings.IndexByte(part, '('); i >= 0 {
			part = part[:i]
		}
		f := strings.Split(part, ":")
		if f[0] != "gpu" {
			continue
		}
		model, number := "", f[len(f)-1]
		if len(f) == 1 {
			number = "1"
		}
		n, err := strconv.Atoi(number)
		switch {
		case err != nil && len(f) == 2: // a model, and one of it
			model, n = f[1], 1
		case err != nil || n < 0:
			continue
		case len(f) > 2:
			model = f[1]
		}
		out[model] = min(out[model]+n, maxCount)
	}
	return out
}

// maxCount keeps sums of what Slurm prints from overflowing.
const maxCount = 1 << 30

// splitOutside splits at the commas that are not in parentheses.
func splitOutside(s string) []string {
	var out []string
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth = max(0, depth-1)
		case ',':
			if depth == 0 {
				out, from = append(out, s[from:i]), i+1
			}
		}
	}
	return append(out, s[from:])
}

var limitPattern = regexp.MustCompile(`^(?:(\d{1,6})-)?(?:(\d{1,6}):)?(\d{1,6}):(\d{1,6})$`)

// parseLimit reads Slurm's days-hours:minutes:seconds into minutes, rounded down.
func parseLimit(s string) (int64, error) {
	if s == "infinite" || s == "n/a" || s == "UNLIMITED" {
		return 0, nil
	}
	f := limitPattern.FindStringSubmatch(s)
	if f == nil {
		return 0, fmt.Errorf("%q is no time limit", s)
	}
	var n [4]int64
	for i := range n {
		n[i], _ = strconv.ParseInt("0"+f[i+1], 10, 64) // digits only
	}
	return max(1, n[0]*24*60+n[1]*60+n[2]), nil
}

var jobPattern = regexp.MustCompile(`^(\d{1,20})(;[A-Za-z0-9_.-]+)?$`)

// parseJob reads what sbatch --parsable prints: warnings may stand before it.
func parseJob(out string) (string, error) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	f := jobPattern.FindStringSubmatch(strings.TrimSpace(lines[len(lines)-1]))
	if f == nil {
		return "", fmt.Errorf("sbatch printed no number of a job: %q", shorten(out))
	}
	return f[1], nil
}

func shorten(s string) string {
	const most = 200
	s = strings.TrimSpace(s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
