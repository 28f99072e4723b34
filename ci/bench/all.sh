#!/usr/bin/env bash
# Runs every benchmark of this folder, one after the other.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CGO_ENABLED=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
go build -o "$scratch/nbpipe" ./cmd/nbpipe
say() { printf '\n== %s\n' "$*"; }
say "starting"
ci/bench/startup.sh "$scratch/nbpipe"
say "nothing to do, and the first plan"
go run ./ci/bench/noop -nbpipe "$scratch/nbpipe"
say "a command in the sandbox, and outside"
go test -run '^$' -bench Sandbox -benchtime 200x ./cmd/nbpipe
say "the local store"
ci/bench/store.sh
say "the team cache"
ci/bench/team.sh
say "tables and the language"
go test -run '^$' -bench Decode ./stages/nas/table
go test -run '^$' -bench . -benchtime 3x ./pipeline/lang
say "Kendall's tau-b"
ci/bench/stats/run.sh
say "Darcy flow"
ci/bench/darcy/run.sh
say "searching a table"
ci/bench/search/run.sh
say "training, and matrix products"
ci/bench/nn/run.sh
