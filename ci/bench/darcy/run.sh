#!/usr/bin/env bash
# Times a sample of Darcy flow in Go and in SciPy, in one run, and prints the
# ratio. Needs Go and a Python with SciPy (PYTHON, default python3).
set -euo pipefail
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
go build -o "$scratch/darcy" .
"${PYTHON:-python3}" compare.py "$scratch/darcy"
