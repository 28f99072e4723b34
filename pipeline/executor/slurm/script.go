package slurm

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/stages"
)

// warning is how many seconds before the time limit a worker is told to leave.
const warning = 60

// options are the arguments of sbatch for jobs with a need, which are to stay off
// some machines.
func (l *launcher) options(need stages.Resources, avoid []string) []string {
	s, r := &l.Settings, l.request(need)
	out := []string{
		"--parsable", "--export=NIL", "--requeue", "--open-mode=append", "--input=/dev/null", "--chdir=/", "--nodes=1", "--ntasks=1", "--job-name=" + l.jobName(),
		"--cpus-per-task=" + strconv.Itoa(r.cpus), fmt.Sprintf("--signal=B:TERM@%d", warning),
	}
	add := func(name, value string) {
		if value != "" {
			out = append(out, "--"+name+"="+value)
		}
	}
	add("partition", s.Partition)
	add("account", s.Account)
	add("qos", s.QOS)
	add("constraint", s.Constraint)
	if need.Exclusive {
		out = append(out, "--exclusive")
	}
	if r.memory > 0 {
		add("mem", fmt.Sprintf("%dM", r.memory))
	}
	if r.gpus > 0 {
		add("gres", fmt.Sprintf("%s:%d", l.gres(need), r.gpus))
	}
	if r.minutes > 0 {
		add("time", strconv.FormatInt(r.minutes, 10))
	}
	return append(out, excluding(s.Flags, avoid)...)
}

// excluding adds machines to those that a user's flags exclude: of two such options
// sbatch takes the last one. A file of names is left as it is.
func excluding(flags, avoid []string) []string {
	if len(avoid) == 0 {
		return flags
	}
	var out []string
	for _, f := range flags {
		name, names, _ := strings.Cut(f, "=")
		if strings.HasPrefix(f, "-x") {
			name, names = "--exclude", strings.TrimPrefix(f, "-x")
		}
		switch {
		case !strings.HasPrefix("--exclude", name) || len(name) < len("--exclud"): // shorter, it may be another option
			out = append(out, f)
		case strings.Contains(names, "/"):
			return flags
		default:
			avoid = append([]string{names}, avoid...)
		}
	}
	return append(out, "--exclude="+strings.Join(avoid, ","))
}

// jobName is that of all jobs of the site: what squeue and scancel are asked about.
func (l *launcher) jobName() string { return "nbpipe-" + l.site.ID }

// script is what a batch's jobs run: one of its workers each. It holds no secret:
// Slurm keeps scripts, and shows them to administrators.
func (l *launcher) script(b *batch, args [][]string) string {
	var s strings.Builder
	shell := "#!/bin/sh"
	if len(l.Modules)+len(l.Prologue) > 0 {
		shell = "#!/bin/bash -l" // which is where clusters define `module`
	}
	fmt.Fprintf(&s, "%s\n# Workers of nbpipe, for executor %q.\n", shell, l.site.Name)
	fmt.Fprintf(&s, "void=%s\n", launch.Quote(l.batchPath(b.ID, "")))
	// A submission that was not answered, or a worker that was cancelled meanwhile.
	s.WriteString("[ ! -e \"$void.void\" ] && [ ! -e \"$void.$SLURM_ARRAY_TASK_ID.void\" ] || exit 0\n")
	fmt.Fprintf(&s, "umask 077\n%s=$SLURMD_NODENAME\nexport %[1]s\n", launch.HostVariable)
	if shell != "#!/bin/sh" {
		s.WriteString("set -e\n")
		for _, m := range l.Modules {
			fmt.Fprintf(&s, "module load %s\n", launch.Quote(m))
		}
		for _, line := range l.Prologue {
			s.WriteString(line + "\n")
		}
		s.WriteString("set +e\n")
	}
	l.writeEnd(&s)
	s.WriteString("case $SLURM_ARRAY_TASK_ID in\n")
	for i, a := range args {
		fmt.Fprintf(&s, "%d) set --", i)
		for _, word := range a {
			s.WriteString(" " + launch.Quote(word))
		}
		s.WriteString(" ;;\n")
	}
	fmt.Fprintf(&s, "esac\nexec %s \"$@\"\n", launch.Quote(l.program()))
	return s.String()
}

// writeEnd has the worker know when its job ends. Slurm before 23.02 does not set
// SLURM_JOB_END_TIME; where it cannot be asked either, the block may say how long jobs
// last.
func (l *launcher) writeEnd(s *strings.Builder) {
	s.WriteString(`[ -n "$SLURM_JOB_END_TIME" ] || SLURM_JOB_END_TIME=$(SLURM_TIME_FORMAT=%s timeout 20 squeue --noheader --jobs="$SLURM_JOB_ID" --format=%e 2>/dev/null)` + "\n")
	if limit, _ := l.limit(); limit > 0 { // it was checked
		fmt.Fprintf(s, `[ -n "$SLURM_JOB_END_TIME" ] || SLURM_JOB_END_TIME=$(($(date +%%s) + %d))`+"\n", int64(limit.Seconds()))
	}
	s.WriteString("export SLURM_JOB_END_TIME\n")
}

func (l *launcher) program() string {
	if l.Program != "" {
		return l.Program
	}
	return l.site.Program
}
