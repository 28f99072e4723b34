package ssh

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
)

// mark begins the lines that are ours: what a login prints otherwise is left alone.
const mark = "nbpipe:"

// folder is what belongs to the site on a host, below ~/.cache/nbpipe. Hosts may share
// their home folders.
func (h *host) folder() string {
	return "ssh/" + h.l.site.ID + "/" + cache.DigestOf([]byte(h.host)).Short()
}

// prelude begins each script. Its variables are those of the package's
// documentation.
func (h *host) prelude() string {
	return "set -u\nmask=$(umask)\numask 077\nLC_ALL=C\nexport LC_ALL\n" +
		"say() { printf '" + mark + "%s\\n' \"$*\"; }\n" +
		"base=$HOME/.cache/nbpipe\nsite=$base/" + h.folder() + "\nbin=$base/bin/" + h.l.digest + "\n"
}

// look says what a host is, and how its workers are. One whose lock is free has
// ended; its last line says how.
const look = `say uname "$(uname -sm)"
say home "$HOME"
for tool in flock setsid sha256sum ps gzip; do
  command -v $tool >/dev/null 2>&1 || say lacks $tool
done
mkdir -p "$base/bin" "$site/files" "$site/workers" || { say folder; exit 0; }
(` + clear + `) 2>/dev/null
rm -f "$site/files"/tmp-*
[ -x "$bin/nbpipe" ] && say program && touch "$bin"
[ -f "$bin.part" ] && say part "$(wc -c <"$bin.part")"
say free "$(df -Pk "$base" | awk 'NR==2 {print $4}')"
for f in "$site/files"/*; do
  [ -f "$f" ] && say file "${f##*/}"
done
for d in "$site/workers"/*; do
  [ -f "$d/lock" ] || continue
  case $d in *.new) continue ;; esac
  if flock -n "$d/lock" true; then
    say ended "${d##*/}" "$(tail -c 2000 "$d/log" 2>/dev/null | tail -n 1)"
    rm -rf "$d"
  else
    say running "${d##*/}" "$(cat "$d/gpus" 2>/dev/null)"
  fi
done
say done
`

// sweep removes what earlier versions of nbpipe and copies that were never finished have
// left. Programs that are used are touched.
const sweep = `find "$base/bin" -mindepth 1 -maxdepth 1 ! -path "$bin" \( -name '[0-9a-f]*' -mtime +30 -o -name 'tmp-*' -mtime +0 -o -name '*.part' -mtime +7 \) -exec rm -rf {} + 2>/dev/null
`

// install unpacks a copy of the program, and takes it if it is whole. Two that come at
// once do the same.
func install(name string) string {
	return fmt.Sprintf(`gzip -dc <"$bin.part" >"$base/bin/%s" 2>/dev/null
rm -f "$bin.part"
if ! echo "${bin##*/}  $base/bin/%[1]s" | sha256sum -c >/dev/null 2>&1; then rm -f "$base/bin/%[1]s"; say damaged; exit 0; fi
chmod 700 "$base/bin/%[1]s" && mkdir -p "$bin" && mv -f "$base/bin/%[1]s" "$bin/nbpipe" && say installed
`, name)
}

// replace puts a file in the place of another one in one step.
func replace(temporary, name string) string {
	return fmt.Sprintf("chmod 600 \"$site/files/%s\" && mv -f \"$site/files/%[1]s\" \"$site/files/%[2]s\" && say written\n", temporary, name)
}

// start starts a worker that belongs to no session of ssh. It and all that it starts inherit
// a lock, of which the kernel lets go when the last of them has ended. Its folder
// appears with the lock held. The site's lock keeps secrets from being taken away
// meanwhile. A worker with GPUs sees all of the host's, its own first: which of them
// no other process of the user has is found there (see package lease).
func start(host, id string, prologue, args, files []string, gpus []int, all int) string {
	var s strings.Builder
	fmt.Fprintf(&s, "exec 4>\"$site/lock\"\nflock -w 10 4 || exit 1\nd=$site/workers/%s\nlacking=\n", id)
	for _, f := range files {
		fmt.Fprintf(&s, "[ -e \"$site/files/%s\" ] || lacking=yes\n", remoteName(f))
	}
	s.WriteString("if [ -z \"$lacking\" ] && [ ! -e \"$d\" ] && mkdir -p \"$d.new\" && exec 3>\"$d.new/lock\" && flock -n 3; then\n")
	fmt.Fprintf(&s, "  echo %s >\"$d.new/gpus\"\n  mv \"$d.new\" \"$d\" && cd \"$d\" || exit 1\n", numbers(gpus))
	s.WriteString("  (\n    exec </dev/null >\"$d/log\" 2>&1\n    umask \"$mask\"\n    set +u -e\n")
	for _, p := range prologue {
		s.WriteString(p + "\n")
	}
	fmt.Fprintf(&s, "    CUDA_VISIBLE_DEVICES=%s\n    %s=%s\n    export CUDA_VISIBLE_DEVICES %[2]s\n    exec setsid \"$bin/nbpipe\"", numbers(visible(gpus, all)), launch.HostVariable, launch.Quote(host))
	for _, a := range args {
		s.WriteString(" " + launch.Quote(a))
	}
	s.WriteString(" 3>&3 4>&-\n  ) &\n  echo $! >\"$d/pid\"\n  exec 3>&-\n")
	// Somebody who waits for its end, however it comes: there may be no controller then.
	fmt.Fprintf(&s, "  setsid /bin/sh -c 'flock \"$1/lock\" true; site=$2; %s' sh \"$d\" \"$site\" </dev/null >/dev/null 2>&1 4>&- &\nfi\n", clear)
	s.WriteString("exec 4>&-\n")
	fmt.Fprintf(&s, "[ -e \"$d/pid\" ] && say started %s\n[ -z \"$lacking\" ] || say lacking %[1]s\n", id)
	return s.String()
}

// grace is how many seconds a worker has to end what it does after it was told to.
const grace = 5

// end tells a worker to end, and leaves a process behind that kills what is left of
// its session.
func end(id string) string {
	return fmt.Sprintf(`d=$site/workers/%s
if [ -f "$d/pid" ] && ! flock -n "$d/lock" true; then
  pid=$(cat "$d/pid")
  kill -TERM "$pid"
  setsid /bin/sh -c 'n=0
    while [ $n -lt %d ] && ! flock -n "$1/lock" true; do sleep 1; n=$((n+1)); done
    if ! flock -n "$1/lock" true; then
      for p in $(ps -o pid= -s "$2"); do kill -KILL "$p"; done
      kill -KILL -- "-$2"
    fi
    flock -w 5 "$1/lock" rm -rf "$1"' sh "$d" "$pid" </dev/null >/dev/null 2>&1 &
fi
say cancelled %[1]s
`, id, grace)
}

// clear takes the secrets of a site away if no worker is alive; there are no single quotes
// in it. The site's lock is held by who starts one.
const clear = `cd "$site" && flock -w 10 lock sh -c "for w in workers/*/lock; do [ ! -e \"\$w\" ] || flock -n \"\$w\" true || exit 0; done; rm -f files/[0-9a-f]*"`

// visible are all GPUs of a host, those given first; none where none are given.
func visible(gpus []int, all int) []int {
	out := slices.Clone(gpus)
	for g := range all {
		if len(gpus) > 0 && !slices.Contains(gpus, g) {
			out = append(out, g)
		}
	}
	return out
}

// numbers are GPUs as CUDA_VISIBLE_DEVICES has them; none hides all.
func numbers(gpus []int) string {
	var out []string
	for _, g := range gpus {
		out = append(out, strconv.Itoa(g))
	}
	return strings.Join(out, ",")
}

func parseNumbers(s string) []int {
	var out []int
	for f := range strings.SplitSeq(s, ",") {
		if n, err := strconv.Atoi(strings.TrimSpace(f)); err == nil && n >= 0 && n < maxGPUs {
			out = append(out, n)
		}
	}
	return out
}

// said are the lines that a script said.
func said(out string) []string {
	var lines []string
	for l := range strings.SplitSeq(strings.ToValidUTF8(out, "?"), "\n") {
		if text, ok := strings.CutPrefix(l, mark); ok {
			lines = append(lines, strings.TrimSpace(text))
		}
	}
	return lines
}

var (
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,200}$`)
	homePattern = regexp.MustCompile(`^/[A-Za-z0-9._/+@-]*$`)
)

// seen is what a host says about itself.
type seen struct {
	system, home string
	lacks        []string
	program      bool
	part         int64 // bytes of a copy of it that was not finished
	free         int64 // KiB below ~/.cache, -1 where it does not say
	files        map[string]bool
	running      map[string][]int  // GPUs of workers
	ended        map[string]string // last lines of workers
	noFolder     bool
	whole        bool
}

func parseLook(lines []string) seen {
	s := seen{free: -1, files: map[string]bool{}, running: map[string][]int{}, ended: map[string]string{}}
	for _, l := range lines {
		what, rest, _ := strings.Cut(l, " ")
		first, more, _ := strings.Cut(rest, " ")
		switch what {
		case "uname":
			s.system = rest
		case "home":
			s.home = rest
		case "lacks":
			s.lacks = append(s.lacks, rest)
		case "program":
			s.program = true
		case "part":
			if n, err := strconv.ParseInt(rest, 10, 64); err == nil && n > 0 {
				s.part = n
			}
		case "free":
			if n, err := strconv.ParseInt(rest, 10, 64); err == nil {
				s.free = n
			}
		case "file":
			s.files[rest] = true
		case "running":
			if idPattern.MatchString(first) {
				s.running[first] = parseNumbers(more)
			}
		case "ended":
			if idPattern.MatchString(first) {
				s.ended[first] = launch.LastWords(more)
			}
		case "folder":
			s.noFolder = true
		case "done":
			s.whole = true
		}
	}
	return s
}
