#!/usr/bin/env bash
# Runs the experiments with the binary $1 and the mirror $2 in an empty HOME, as
# a new user would: first run, second run that does nothing, verdicts.
set -euo pipefail
nbpipe=$(realpath "$1") mirror=$(realpath "$2")
home=$(mktemp -d)
trap 'chmod -R u+w "$home"; rm -rf "$home"' EXIT
export HOME=$home XDG_CACHE_HOME=$home/cache XDG_CONFIG_HOME=$home/config
cp -r experiments "$home/"
cd "$home"

"$nbpipe" run experiments/quickstart --offline --strict
"$nbpipe" run experiments/quickstart --offline --strict | grep 'nothing to do'
"$nbpipe" verify experiments/quickstart search.found retrain.winner

"$nbpipe" run experiments/nb360 --mirror "$mirror" --offline
"$nbpipe" run experiments/nb360 --mirror "$mirror" --offline | grep 'nothing to do'
"$nbpipe" show experiments/nb360 hypothesis.figure4 --json | grep -q '"importance"'
"$nbpipe" verify experiments/nb360 hypothesis.figure3 hypothesis.figure4 hypothesis.table3 hypothesis.figure2

"$nbpipe" run experiments/search --mirror "$mirror" --offline
"$nbpipe" run experiments/search --mirror "$mirror" --offline | grep 'nothing to do'
"$nbpipe" verify experiments/search 'search.evolution["cifar100"]' hypothesis.vision

"$nbpipe" run experiments/oneproxy --mirror "$mirror" --offline
"$nbpipe" run experiments/oneproxy --mirror "$mirror" --offline | grep 'nothing to do'
"$nbpipe" verify experiments/oneproxy hypothesis.devices hypothesis.myriad
"$nbpipe" run experiments/fidelity --mirror "$mirror" --offline
"$nbpipe" run experiments/fidelity --mirror "$mirror" --offline | grep 'nothing to do'
"$nbpipe" verify experiments/fidelity hypothesis.validation
"$nbpipe" validate experiments/proxies
"$nbpipe" cache verify
"$nbpipe" cache doctor
