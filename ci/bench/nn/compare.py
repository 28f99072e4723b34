#!/usr/bin/env python3
"""Runs the Go program given as the argument beside PyTorch with one thread.

The two take turns, round by round, so that both see the same state of the
machine, and both count processor time. Prints the medians, the ratios Go /
PyTorch, and of memory; exits 1 if a goal is missed.
"""
import json
import os
import statistics
import subprocess
import sys

CONVS = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
MIXED = "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
# name, options, least ratio of speed
CASES = [
    ("C=8, N=1, batch 64, all 3x3", ["-channels=8", "-cells=1", "-batch=64", "-steps=20", "-cell=" + CONVS], 0.8),
    ("C=8, N=1, batch 64, mixed", ["-channels=8", "-cells=1", "-batch=64", "-steps=20", "-cell=" + MIXED], 0.8),
    ("C=16, N=5, batch 32, all 3x3", ["-channels=16", "-cells=5", "-batch=32", "-steps=4", "-cell=" + CONVS], 0.6),
    ("GEMM 512 x 512 x 512", ["-what=gemm", "-size=512", "-steps=200"], 0.9),
]
MEMORY = 1.5  # most memory, of PyTorch's
ROUNDS = int(os.environ.get("ROUNDS", "3"))
HERE = os.path.dirname(os.path.abspath(__file__))


def measure(command):
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    return json.loads(subprocess.run(command, env=env, check=True, capture_output=True).stdout)


def main():
    program, missed = sys.argv[1], False
    for name, options, goal in CASES:
        go, peer = [], []
        for _ in range(ROUNDS):
            go.append(measure([program] + options))
            peer.append(measure([sys.executable, os.path.join(HERE, "peer.py"), program] + options))
        speed = [statistics.median(r["per_second"] for r in side) for side in (go, peer)]
        memory = [statistics.median(r["memory"] for r in side) for side in (go, peer)]
        unit, scale = ("GFLOP", 1e9) if "GEMM" in name else ("images", 1)
        print(f"{name}: {speed[0] / scale:.1f} {unit} per CPU-second, PyTorch {speed[1] / scale:.1f}: "
              f"ratio {speed[0] / speed[1]:.2f} (goal {goal}); "
              f"memory {memory[0] / 2**20:.0f} MiB, PyTorch {memory[1] / 2**20:.0f}: ratio {memory[0] / memory[1]:.2f} (goal {MEMORY})", flush=True)
        missed = missed or speed[0] < goal * speed[1] or memory[0] > MEMORY * memory[1]
    sys.exit(missed)


if __name__ == "__main__":
    main()
