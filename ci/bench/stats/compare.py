#!/usr/bin/env python3
"""Times scipy.stats.kendalltau against the Go program given as the argument.

The two take turns, round by round, so that both see the same state of the
machine; each is given one core. Prints, per sample, the medians over all
rounds and the ratio Go / SciPy. Exits 1 if the two disagree on tau-b or if Go
takes longer than SciPy.
"""
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np
import scipy
from scipy import stats

N, ROUNDS, REPEATS = 15625, 5, 20
SAMPLES = {  # seed, levels, noise
    "many ties": (1, 500, 40),
    "binary": (2, 2, 2),
    "few ties": (3, 1 << 30, 1 << 27),
    "unrelated": (5, 1, 100000),
}
MASK = (1 << 64) - 1


def sample(seed, n, levels, noise):
    """Two correlated samples with ties, as sample in main.go draws them."""
    state = seed

    def draw():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        return state >> 33

    x, y = [], []
    for _ in range(n):
        base = draw() % levels
        x.append((base + draw() % noise) / 8)
        y.append((base + draw() % noise) / 8)
    return x, y


def time_scipy(x, y):
    """The tau-b and the times in ms of REPEATS calls."""
    tau, took = stats.kendalltau(x, y).statistic, []
    for _ in range(REPEATS):
        start = time.perf_counter()
        stats.kendalltau(x, y)
        took.append((time.perf_counter() - start) * 1e3)
    return tau, statistics.median(took)


def time_go(program, seed, levels, noise):
    """The tau-b and the median time in ms of the Go program."""
    options = {"seed": seed, "n": N, "levels": levels, "noise": noise, "repeats": REPEATS}
    command = [program] + [f"-{name}={value}" for name, value in options.items()]
    env = dict(os.environ, GOMAXPROCS="1")
    out = json.loads(subprocess.run(command, env=env, check=True, capture_output=True).stdout)
    return out["tau"], out["median_ms"]


def compare(program, seed, levels, noise):
    """Medians over the rounds of Go and of SciPy, in ms."""
    x, y = map(np.array, sample(seed, N, levels, noise))
    go, peer = [], []
    for _ in range(ROUNDS):
        tau_go, ms = time_go(program, seed, levels, noise)
        go.append(ms)
        tau, ms = time_scipy(x, y)
        peer.append(ms)
        if abs(tau - tau_go) > 1e-12:
            sys.exit(f"tau-b differs: Go {tau_go!r}, SciPy {tau!r}")
    return statistics.median(go), statistics.median(peer)


def main():
    print(f"tau-b, n = {N}, one core, median of {ROUNDS} x {REPEATS} calls, SciPy {scipy.__version__}")
    slower = False
    for name, (seed, levels, noise) in SAMPLES.items():
        go, peer = compare(sys.argv[1], seed, levels, noise)
        slower |= go > peer
        print(f"{name:10}  Go {go:6.2f} ms  SciPy {peer:6.2f} ms  ratio {go / peer:.2f}")
    sys.exit("Go is slower than SciPy" if slower else 0)


if __name__ == "__main__":
    main()
