#!/usr/bin/env bash
# Times regularized evolution on a table in Go and in plain Python, in one run,
# and prints the ratio. Needs Go and Python (PYTHON, default python3).
set -euo pipefail
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
go build -o "$scratch/search" .
"${PYTHON:-python3}" compare.py "$scratch/search"
