package slurm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/command"
)

// Check implements launch.Launcher.
func (l *launcher) Check(ctx context.Context, needs []stages.Resources) error {
	if err := l.check(ctx, needs); err != nil {
		return fmt.Errorf("executor %q: %w", l.site.Name, err)
	}
	return nil
}

func (l *launcher) check(ctx context.Context, needs []stages.Resources) error {
	for _, name := range []string{"sbatch", "squeue", "scancel", "scontrol", "sinfo"} {
		if _, err := command.LookPath(name, l.site.Environment); err != nil {
			return fmt.Errorf("%s is not on the PATH: this is not a machine from which jobs are submitted; log in to the cluster's login node, or load its Slurm module first", name)
		}
	}
	out, err := l.call.run(ctx, "", "sinfo", "--noheader", "--exact", "--format="+machinesFormat)
	if err != nil {
		return err
	}
	all, err := parseMachines(out)
	if err != nil {
		return err
	}
	there, err := l.partitionOf(all)
	if err != nil {
		return err
	}
	l.warn(there)
	if len(needs) == 0 {
		needs = []stages.Resources{{}}
	}
	for _, n := range needs {
		if err := l.chooseType(there, n); err != nil {
			return err
		}
		if err := l.fits(there, n); err != nil {
			return err
		}
	}
	return l.try(ctx, needs)
}

// partitionOf are the machines of the block's partition, or of the default one.
func (l *launcher) partitionOf(all []machines) ([]machines, error) {
	wanted := l.Partition
	if wanted == "" {
		wanted = l.variable("SBATCH_PARTITION")
	}
	var names []string
	var out []machines
	for _, m := range all {
		names = append(names, m.partition)
		if contains(strings.Split(wanted, ","), m.partition) || wanted == "" && m.isDefault {
			out = append(out, m)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	slices.Sort(names)
	there := strings.Join(slices.Compact(names), ", ")
	switch {
	case there == "":
		return nil, errors.New("Slurm tells of no partition that this user may use: ask the cluster's administrators")
	case wanted == "":
		return nil, fmt.Errorf("this cluster has no default partition: set partition in the executor's block to one of %s", there)
	}
	return nil, fmt.Errorf("there is no partition %q: set partition in the executor's block to one of %s", wanted, there)
}

func (l *launcher) variable(name string) string {
	for _, e := range l.site.Environment {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return ""
}

// warn says what makes jobs wait for somebody.
func (l *launcher) warn(there []machines) {
	usable := false
	for _, m := range there {
		state := strings.TrimRight(m.state, "*~#!%$@^-+")
		if m.up && state != "down" && state != "drained" && state != "draining" && state != "fail" && m.number > 0 {
			usable = true
		}
	}
	if !usable {
		l.tell("no machine of partition " + there[0].partition + " is up: jobs wait until one is")
	}
}

// fits reports what no single machine has.
func (l *launcher) fits(there []machines, need stages.Resources) error {
	r, gres := l.request(need), l.gres(need)
	where := "partition " + there[0].partition
	var most struct {
		cpus, gpus int
		memory     int64
		models     []string
	}
	together := false
	longest := int64(0)
	for _, m := range there {
		gpus := m.gpusOf(gres)
		most.cpus, most.gpus, most.memory = max(most.cpus, m.cpus), max(most.gpus, gpus), max(most.memory, m.memory)
		together = together || m.cpus >= r.cpus && gpus >= r.gpus && m.memory >= r.memory
		for model := range m.gpus {
			most.models = append(most.models, "gpu"+colon(model))
		}
		if m.minutes == 0 {
			m.minutes = math.MaxInt64
		}
		longest = max(longest, m.minutes)
	}
	switch {
	case r.gpus > most.gpus:
		return fmt.Errorf("a job asks for %d %s, and no machine of %s has more than %d%s", r.gpus, gpuWord(gres), where, most.gpus, modelsHint(most.models))
	case r.cpus > most.cpus:
		return fmt.Errorf("a job asks for %d cores, and no machine of %s has more than %d: lower cpus in the stage's resources or the executor's block", r.cpus, where, most.cpus)
	case r.memory > most.memory:
		return fmt.Errorf("a job asks for %d MiB of memory, and no machine of %s has more than %d MiB: lower memory in the stage's resources or the executor's block", r.memory, where, most.memory)
	case !together:
		return fmt.Errorf("a job asks for %d cores, %d MiB and %d GPUs, and no machine of %s has all of that together", r.cpus, r.memory, r.gpus, where)
	}
	return l.fitsTime(r, need, longest, where)
}

func (l *launcher) fitsTime(r request, need stages.Resources, longest int64, where string) error {
	if r.minutes > longest {
		return fmt.Errorf("time asks for %d minutes, and %s ends jobs after %d: lower time in the executor's block", r.minutes, where, longest)
	}
	limit := longest
	if r.minutes > 0 {
		limit = r.minutes
	}
	if minutes := (need.Time + 59) / 60; minutes > limit {
		return fmt.Errorf("a stage may take %d minutes, and its job is ended after %d: raise time in the executor's block", minutes, limit)
	}
	return nil
}

func (m machines) gpusOf(gres string) int {
	if _, model, ok := strings.Cut(gres, ":"); ok {
		return m.gpus[model]
	}
	n := 0
	for _, k := range m.gpus {
		n = min(n+k, maxCount)
	}
	return n
}

func gpuWord(gres string) string {
	if _, model, ok := strings.Cut(gres, ":"); ok {
		return "GPUs of model " + model
	}
	return "GPUs"
}

func modelsHint(models []string) string {
	if len(models) == 0 {
		return ": choose another partition, or run without GPUs"
	}
	slices.Sort(models)
	return " (it has " + strings.Join(slices.Compact(models), ", ") + "): lower gpus, or set gres in the executor's block"
}

func colon(model string) string {
	if model == "" {
		return ""
	}
	return ":" + model
}

// try has Slurm say whether it would take such jobs: it knows accounts, limits and
// features.
func (l *launcher) try(ctx context.Context, needs []stages.Resources) error {
	type job struct {
		request
		gres string
	}
	var tried []job
	for _, n := range needs {
		r := job{l.request(n), l.gres(n)}
		if slices.Contains(tried, r) {
			continue
		}
		tried = append(tried, r)
		_, err := l.call.run(ctx, "#!/bin/sh\n", "sbatch", append(l.options(n, nil), "--test-only")...)
		var refused *Refused
		if errors.As(err, &refused) {
			return fmt.Errorf("Slurm takes no such jobs (%s): look at partition, account, qos, constraint and flags in the executor's block", cmp.Or(refused.Detail, "it does not say why"))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
