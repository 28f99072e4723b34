#!/usr/bin/env bash
# A graph of 1,000 stages of one second on 8 slots of a Slurm cluster on this machine:
# how long it takes against the ideal 125 s, and how much of a core the controller
# uses, with the programs of Slurm that it calls. As root; Debian's slurm-wlm, munge.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
nodes=${NODES:-1000}
CGO_ENABLED=0 go build -o "$work/nbpipe" ./cmd/nbpipe
go build -o "$work/slurm" ./ci/slurm
"$work/slurm" -gpus 0 >"$work/conf" &
cluster=$!
trap 'kill $cluster; wait $cluster || true; rm -rf "$work"' EXIT
until [ -s "$work/conf" ]; do sleep 0.2; kill -0 $cluster; done
. "$work/conf"
export HOME=$work NBPIPE_CACHE=$work/cache NBPIPE_REMOTE_FOLDER=$work/store XDG_CONFIG_HOME=$work/config
cat >"$work/main.hcl" <<HCL
executor "slurm" "cluster" {
  slots    = 8
  memory   = "64MiB"
  prologue = ["export HOME=$work NBPIPE_CACHE=$work/\$SLURMD_NODENAME"]
}
settings {
  executor = executor.cluster
}
command "run" "second" {
  for_each = toset([for i in range($nodes) : format("%04d", i)])
  argv     = ["sh", "-c", "sleep 1; echo \${each.key} > out"]
  outputs  = { out = "out" }
}
HCL
"$work/nbpipe" key generate bench >/dev/null
"$work/nbpipe" trust "$work" --yes >/dev/null
"$work/nbpipe" cache init "$work" >/dev/null
echo "load before: $(cut -d' ' -f1-3 /proc/loadavg)"
TIMEFORMAT='%R %U %S'
{ time "$work/nbpipe" run "$work" >"$work/out" 2>&1 </dev/null; } 2>"$work/time" || { tail "$work/out"; exit 1; }
tail -1 "$work/time" | awk -v n="$nodes" '{ ideal = n / 8; printf "%d nodes: %.1f s, %.2f x the ideal %.1f s; controller %.1f %% of a core\n", n, $1, $1 / ideal, ideal, 100 * ($2 + $3) / $1 }'
echo "load after: $(cut -d' ' -f1-3 /proc/loadavg)"
