#!/usr/bin/env bash
# Trains NAS-Bench-201 networks with the engine gorgonia and with PyTorch on one
# thread, multiplies matrices with both, and prints the ratios. Needs Go and a
# Python with PyTorch (PYTHON, default python3).
set -euo pipefail
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
CGO_ENABLED=0 go build -o "$scratch/nn" .
"${PYTHON:-python3}" compare.py "$scratch/nn"
