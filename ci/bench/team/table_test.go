package team

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// series is the samples of one thing, a round each.
type series []sample

func (s *series) add(x sample) { *s = append(*s, x) }

// plus adds the samples of the same round.
func (s series) plus(other series) series {
	out := slices.Clone(s)
	for i := range out {
		out[i].wall += other[i].wall
		out[i].cpu += other[i].cpu
	}
	return out
}

func (s series) wall() spread {
	return spreadOf(s, func(x sample) time.Duration { return x.wall })
}

func (s series) cpu() spread {
	return spreadOf(s, func(x sample) time.Duration { return x.cpu })
}

// spread is the median of the rounds, and the least and the most.
type spread struct{ median, least, most time.Duration }

func spreadOf(s series, of func(sample) time.Duration) spread {
	all := make([]time.Duration, len(s))
	for i, x := range s {
		all[i] = of(x)
	}
	slices.Sort(all)
	return spread{all[len(all)/2], all[0], all[len(all)-1]}
}

func (s spread) String() string {
	return fmt.Sprintf("%.2f s (%.2f to %.2f)", s.median.Seconds(), s.least.Seconds(), s.most.Seconds())
}

// table is what is printed in the end.
type table struct{ rows [][]string }

func (t *table) row(met bool, cells ...string) {
	said := "met"
	if !met {
		said = "MISSED"
	}
	t.rows = append(t.rows, append(cells, said))
}

// atLeast compares speeds: the peer's time over ours.
func (t *table) atLeast(what string, ours, peer series, target float64) {
	ratio := peer.wall().median.Seconds() / ours.wall().median.Seconds()
	t.row(ratio >= target, what, ours.wall().String(), peer.wall().String(), fmt.Sprintf("%.2f", ratio), fmt.Sprintf("at least %g", target))
}

func (t *table) cpuAtMost(what string, ours, peer series, target float64) {
	ratio := ours.cpu().median.Seconds() / peer.cpu().median.Seconds()
	t.row(ratio <= target, what, ours.cpu().String(), peer.cpu().String(), fmt.Sprintf("%.2f", ratio), fmt.Sprintf("at most %g", target))
}

// within compares a time with a limit, and shows the peers' beside it.
func (t *table) within(what string, ours, restic, rclone, tuned series, limit time.Duration) {
	met := ours.wall().median <= limit
	target := fmt.Sprintf("at most %g s", limit.Seconds())
	for _, p := range []struct {
		name string
		series
	}{{"restic", restic}, {"rclone", rclone}, {"rclone with 64 streams", tuned}} {
		ratio := p.wall().median.Seconds() / ours.wall().median.Seconds()
		t.row(met, what+", beside "+p.name, ours.wall().String(), p.wall().String(), fmt.Sprintf("%.2f", ratio), target)
	}
}

func (t *table) memoryAtMost(what string, ours sample, limit int64) {
	t.row(ours.peak > 0 && ours.peak <= limit, what, mib(ours.peak), "", "", "at most "+mib(limit))
}

func mib(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

func (t *table) print(w io.Writer, title string) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "\n%s\nwhat\tours\tpeer\tratio\ttarget\tmet\n", title)
	for _, r := range t.rows {
		fmt.Fprintln(out, strings.Join(r, "\t"))
	}
	_ = out.Flush() // to the terminal
}

// peakOf finds what a child of this benchmark says of its memory, in bytes.
func peakOf(out string) int64 {
	var kib int64
	for line := range strings.Lines(out) {
		if rest, ok := strings.CutPrefix(line, peakLine); ok {
			_, _ = fmt.Sscan(rest, &kib)
		}
	}
	return kib << 10
}
