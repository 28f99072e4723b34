package slurm

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/nbpipe/nbpipe/stages/command"
)

// programs calls Slurm's.
type programs struct {
	environ []string // nbpipe's own
	limit   time.Duration
}

// callLimit is how long a call may take: a controller that is down lets them hang,
// one that has 100,000 jobs answers within seconds.
const callLimit = 30 * time.Second

// most is how much of what a program prints is read, in bytes.
const most = 64 << 20

// NotAnswering says that Slurm's controller did not answer: what was asked for may
// have happened or not.
type NotAnswering struct {
	Program string
	Detail  string
}

func (n *NotAnswering) Error() string {
	return fmt.Sprintf("Slurm does not answer (%s: %s); jobs go on meanwhile", n.Program, n.Detail)
}

// Refused says that Slurm does not do what it was asked for.
type Refused struct {
	Program string
	Detail  string
}

func (r *Refused) Error() string { return fmt.Sprintf("%s: %s", r.Program, r.Detail) }

// away are in what the programs print when their controller is not there, which they
// tell by no exit code.
var away = []string{
	"Unable to contact slurm controller", "unable to contact slurm controller", "Connection refused", "Connection timed out", "Connection reset",
	"Socket timed out", "Zero Bytes were transmitted", "standby mode", "Transport endpoint", "Resource temporarily unavailable", "No route to host",
	"Slurm temporarily unable to accept job", "Unable to contact slurmctld", "Unexpected message received", "Invalid authentication credential", "Munge", "fetch_config",
}

// run calls a program and returns what it printed.
func (p *programs) run(ctx context.Context, stdin, name string, args ...string) (string, error) {
	path, err := command.LookPath(name, p.environ)
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	cmd := exec.CommandContext(limited, path, args...)
	cmd.Env = cleanEnvironment(p.environ)
	cmd.Stdin = strings.NewReader(stdin)
	out, said := &command.Beginning{Most: most}, &command.Beginning{Most: 4 << 10}
	cmd.Stdout, cmd.Stderr = out, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's signals are nbpipe's
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	switch {
	case err == nil && out.Over:
		return "", fmt.Errorf("%s printed more than %d bytes", name, most)
	case err == nil:
		return out.String(), nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case limited.Err() != nil:
		return "", &NotAnswering{name, fmt.Sprintf("nothing within %v", p.limit)}
	}
	return "", classify(name, said.String(), err)
}

func classify(name, said string, err error) error {
	detail := shorten(said)
	for _, a := range away {
		if strings.Contains(said, a) {
			return &NotAnswering{name, detail}
		}
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("%s: %w", name, err)
	}
	if detail == "" {
		detail = err.Error()
	}
	detail = strings.ReplaceAll(detail, name+": error: ", "")
	return &Refused{name, strings.ReplaceAll(detail, "\n", "; ")}
}

// kept are the variables with which a user tells sbatch where to go. Other ones of
// Slurm's would change what the programs do or print: nbpipe may itself run in a job.
var kept = []string{"SLURM_CONF", "SBATCH_ACCOUNT", "SBATCH_PARTITION", "SBATCH_QOS", "SBATCH_RESERVATION", "SLURM_CLUSTERS"}

func cleanEnvironment(environ []string) []string {
	out := []string{"LC_ALL=C", "SLURM_TIME_FORMAT=standard"}
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		foreign := false
		for _, prefix := range []string{"SLURM", "SBATCH_", "SQUEUE_", "SINFO_", "SCANCEL_", "LC_ALL"} {
			foreign = foreign || strings.HasPrefix(name, prefix)
		}
		if !foreign || contains(kept, name) {
			out = append(out, e)
		}
	}
	return out
}
