package remote

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
)

// mostUnfit is how many machines may be unfit for an action before it fails.
const mostUnfit = 3

// hostPattern is what a machine can be called: workers tell it by way of the store.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._:@-]{0,255}$`)

// handOn has another machine try an action for which one is not fit. It goes to a queue
// of its own, whose workers are on other machines: any worker of the one that it was in
// may be on this one.
func (l *loop) handOn(n *line, a *attempt, r queue.Result) {
	j := a.job
	if a.over { // given up before: another attempt is on its way
		return
	}
	a.over = true
	delete(n.at, a.name)
	host := r.Used.Host
	if !hostPattern.MatchString(host) {
		host = ""
	}
	j.unfit = append(j.unfit, saying{host, r.Error})
	n.shun(host)
	if host == "" || len(j.unfit) >= mostUnfit {
		l.finish(j, outcome{err: l.nobodyFit(j, "")})
		return
	}
	c := n.class
	hosts := []string{host}
	if c.avoid != "" {
		hosts = append(hosts, strings.Split(c.avoid, ",")...)
	}
	slices.Sort(hosts)
	c.avoid = strings.Join(slices.Compact(hosts), ",")
	other, err := l.lineOf(c)
	if err != nil {
		l.finish(j, outcome{err: err})
		return
	}
	l.tell("executor %q: %s is handed on to another machine: on %s, %s", l.Name, j.a.Address, host, r.Error)
	l.soon, l.happened = true, l.Now()
	j.line = other
	other.waiting = append(other.waiting, j)
}

// nobodyFit is the failure of an action that the machines that were tried cannot run;
// no is why no more were tried.
func (l *loop) nobodyFit(j *job, no string) error {
	if no != "" {
		no = " There is no other machine for it: " + no + "."
	}
	return &executor.Failure{Err: fmt.Errorf("executor %q: it could not be run. %s.%s Choose machines that are fit for it in the executor's block (Slurm: partition, constraint or gres; ssh: hosts), or make these fit",
		l.Name, sayings(j.unfit), no)}
}

// nowhere is a queue whose workers can only be on machines that they are to avoid; why
// are the launcher's words.
func (l *loop) nowhere(n *line, why string) {
	if len(n.shunned) > 0 {
		clear(n.shunned)
		n.anywhere = true
		return
	}
	for j := range l.jobs {
		if j.line == n {
			l.finish(j, outcome{err: l.nobodyFit(j, why)})
		}
	}
}

// shun keeps workers of a queue off a machine where one was of no use, as long as there
// are others.
func (n *line) shun(host string) {
	if hostPattern.MatchString(host) && !n.anywhere {
		n.shunned[host] = true
	}
}

// avoided are the hosts that a worker of the queue is to avoid.
func (n *line) avoided() []string {
	hosts := slices.Collect(maps.Keys(n.shunned))
	if n.avoid != "" {
		hosts = append(hosts, strings.Split(n.avoid, ",")...)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
