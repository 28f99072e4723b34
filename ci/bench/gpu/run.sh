#!/usr/bin/env bash
# Trains NAS-Bench-201 networks on a GPU with the engine torch and with plain loops of
# PyTorch, and prints the ratios. Needs Go and a Python with PyTorch for CUDA
# (PYTHON, default python3).
set -euo pipefail
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
CGO_ENABLED=0 go build -o "$scratch/gpu" .
"${PYTHON:-python3}" compare.py "$scratch/gpu"
