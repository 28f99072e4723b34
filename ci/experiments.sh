#!/usr/bin/env bash
# Runs the experiments with the binary $1 and the mirror $2 in an empty HOME, as
# a new user would: first run, second run that does nothing, verdicts, and whether
# docs/paper.md says what they say.
set -euo pipefail
nbpipe=$(realpath "$1") mirror=$(realpath "$2")
home=$(mktemp -d)
trap 'chmod -R u+w "$home"; rm -rf "$home"' EXIT
go build -o "$home/paper" ./ci/paper
export HOME=$home XDG_CACHE_HOME=$home/cache XDG_CONFIG_HOME=$home/config
cp -r experiments docs "$home/"
cd "$home"

"$nbpipe" run experiments/quickstart --offline --strict
"$nbpipe" run experiments/quickstart --offline --strict | grep 'nothing to do'
"$nbpipe" verify experiments/quickstart search.found retrain.winner

for experiment in nb360 fidelity landscape oneproxy shrinking search; do
  "$nbpipe" run "experiments/$experiment" --mirror "$mirror" --offline
  "$nbpipe" run "experiments/$experiment" --mirror "$mirror" --offline | grep 'nothing to do'
done
"$home/paper" -check -mirror "$mirror" "$nbpipe"

"$nbpipe" verify experiments/nb360 hypothesis.figure3 hypothesis.figure4 hypothesis.table3
"$nbpipe" verify experiments/fidelity hypothesis.validation
"$nbpipe" verify experiments/landscape hypothesis.locality
"$nbpipe" verify experiments/oneproxy hypothesis.devices hypothesis.myriad
"$nbpipe" verify experiments/shrinking 'search.pockets["cifar100_170"]' 'hypothesis.spaces["170"]'
"$nbpipe" verify experiments/search 'search.evolution["cifar100"]' hypothesis.vision

"$nbpipe" validate experiments/proxies # minutes to run
"$nbpipe" validate experiments/nb360/tasks
"$nbpipe" cache verify
"$nbpipe" cache doctor
