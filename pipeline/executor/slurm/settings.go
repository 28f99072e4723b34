package slurm

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/stages"
)

// Kind is the block `executor "slurm" "NAME"`.
var Kind = launch.Define[Settings](launch.Kind{
	Type:      "slurm",
	Doc:       "Workers are jobs of a Slurm cluster. What a stage's resources block asks for goes before what is said here.",
	Agreement: "Jobs are submitted in your name, with these options. On the cluster's machines, modules, prologue and program run as you, outside of the sandbox, and can read all that you can.",
})

// Settings are the block's attributes.
type Settings struct {
	Partition  string   `attr:"partition,optional" doc:"The partition; the cluster's default without."`
	Account    string   `attr:"account,optional" doc:"The account that is charged."`
	QOS        string   `attr:"qos,optional" doc:"The quality of service."`
	Constraint string   `attr:"constraint,optional" doc:"Features that machines must have, as of sbatch --constraint."`
	CPUs       int      `attr:"cpus,optional" default:"1" doc:"Cores of a job, where the stage does not say."`
	Memory     string   `attr:"memory,optional" doc:"Memory of a job, where the stage does not say: \"16GiB\"; the cluster's default without."`
	GPUs       int      `attr:"gpus,optional" default:"0" doc:"GPUs of a job, where the stage does not say."`
	GRES       string   `attr:"gres,optional" default:"\"gpu\"" doc:"What the cluster calls its GPUs: \"gpu\", or \"gpu:a100\" for one type. With \"gpu\", the model that a stage asks for (gpu_model) chooses the type."`
	Time       string   `attr:"time,optional" doc:"Time limit of a job: \"8h\"; the partition's default without. A worker does as much in it as it can."`
	Slots      int      `attr:"slots,optional" default:"8" doc:"How many jobs wait or run at a time."`
	Modules    []string `attr:"modules,optional" doc:"Environment modules to load before a worker starts."`
	Prologue   []string `attr:"prologue,optional" doc:"Lines of shell to run before a worker starts; one that fails ends the job."`
	Flags      []string `attr:"flags,optional" doc:"Further options of sbatch, such as \"--reservation=course\"."`
	Program    string   `attr:"program,optional" doc:"Path of the nbpipe program on the machines, if it is another one there."`
}

// maxSlots is below the sizes of arrays that Slurm takes (MaxArraySize is 1001).
const maxSlots = 1000

var (
	wordPattern = regexp.MustCompile(`^[A-Za-z0-9_.,:@+-]*$`)
	// lineBreaks are refused in what becomes a line of a script.
	lineBreaks = "\n\r\x00"
)

// Check implements launch.Settings.
func (s *Settings) Check() []stages.Problem {
	var out []stages.Problem
	wrong := func(attribute, summary, format string, args ...any) {
		out = append(out, stages.Problem{Attribute: attribute, Summary: summary, Detail: fmt.Sprintf(format, args...)})
	}
	if s.Slots < 1 || s.Slots > maxSlots {
		wrong("slots", "Wrong number of slots", "slots is a whole number from 1 to %d, not %d.", maxSlots, s.Slots)
	}
	if s.CPUs < 1 {
		wrong("cpus", "Wrong number of cores", "cpus is a whole number from 1, not %d.", s.CPUs)
	}
	if s.GPUs < 0 {
		wrong("gpus", "Wrong number of GPUs", "gpus is a whole number that is not negative, not %d.", s.GPUs)
	}
	if _, err := s.memory(); err != nil {
		wrong("memory", "Wrong amount of memory", "%v.", err)
	}
	if _, err := s.limit(); err != nil {
		wrong("time", "Wrong time", "%v.", err)
	}
	for name, v := range map[string]string{"partition": s.Partition, "account": s.Account, "qos": s.QOS, "gres": s.GRES} {
		if !wordPattern.MatchString(v) || strings.HasPrefix(v, "-") {
			wrong(name, "Wrong name", "%q cannot be the name of a %s.", v, name)
		}
	}
	if s.Program != "" && !filepath.IsAbs(s.Program) {
		wrong("program", "Not an absolute path", "program is a path on the cluster's machines, which begins with /: %q does not.", s.Program)
	}
	return append(append(out, s.checkFlags()...), s.checkLines()...)
}

func (s *Settings) checkLines() []stages.Problem {
	var out []stages.Problem
	for _, l := range append(append([]string{s.Constraint, s.Program}, s.Modules...), s.Prologue...) {
		if strings.ContainsAny(l, lineBreaks) {
			out = append(out, stages.Problem{Attribute: "prologue", Summary: "Not one line", Detail: fmt.Sprintf("modules, prologue, constraint and program have one line in each text: %q has more.", l)})
		}
	}
	return out
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// memory is the block's amount in bytes, 0 where it says nothing.
func (s *Settings) memory() (int64, error) {
	if s.Memory == "" {
		return 0, nil
	}
	return stages.ParseBytes(s.Memory)
}

// limit is the block's time limit, 0 where it says nothing.
func (s *Settings) limit() (time.Duration, error) {
	if s.Time == "" {
		return 0, nil
	}
	n, err := stages.ParseSeconds(s.Time)
	if err == nil && (n < 60 || n > 1e8) {
		err = fmt.Errorf("a time limit is a minute at least and three years at most, not %q", s.Time)
	}
	return time.Duration(n * float64(time.Second)), err
}

// request is what one job asks for.
type request struct {
	cpus    int
	memory  int64 // MiB, 0 for the cluster's default
	gpus    int
	minutes int64 // 0 for the partition's default
}

// request fills what a stage does not say from the block. Both were checked.
func (s *Settings) request(need stages.Resources) request {
	memory, _ := s.memory()
	limit, _ := s.limit()
	r := request{cpus: s.CPUs, gpus: s.GPUs, memory: mebibytes(memory), minutes: int64(math.Ceil(limit.Minutes()))}
	if need.CPUs > 0 {
		r.cpus = int(math.Ceil(need.CPUs))
	}
	if need.Memory > 0 {
		r.memory = mebibytes(need.Memory)
	}
	if need.GPUs > 0 {
		r.gpus = need.GPUs
	}
	return r
}

func mebibytes(n int64) int64 {
	const unit = 1 << 20
	return (n + unit - 1) / unit
}
