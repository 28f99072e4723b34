#!/usr/bin/env python3
"""Times regularized evolution in Go (the program given as the argument) against
plain Python, in turns, and checks that both find equally good cells.

Prints medians over the rounds and the ratio. Exits 1 if the mean final regrets
differ by more than 4 standard errors, or if Go is less than 13.2 times as fast:
5 million evaluations a second on two cores where Python, which reached 0.38
million on one, has a machine to itself. A busy machine slows both.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROUNDS, BUDGET, RUNS_GO, RUNS_PYTHON, WANTED = 5, 170, 20000, 300, 5 / 0.38


def run(*command):
    env = dict(os.environ, GOMAXPROCS="2")
    return json.loads(subprocess.run(command, env=env, check=True, capture_output=True).stdout)


def pooled(results):
    """Mean regret and its standard error over rounds of equal size."""
    mean = statistics.mean(r["mean_regret"] for r in results)
    error = sum(r["standard_error"] ** 2 for r in results) ** 0.5 / len(results)
    return mean, error


def main():
    program, peer = sys.argv[1], os.path.join(os.path.dirname(os.path.abspath(__file__)), "evolution.py")
    with tempfile.TemporaryDirectory() as folder:
        table = os.path.join(folder, "table")
        subprocess.run([program, "-table", table], check=True)
        go, python = [], []
        for seed in range(ROUNDS):
            go.append(run(program, f"-budget={BUDGET}", f"-runs={RUNS_GO}", f"-seed={seed}"))
            python.append(run(sys.executable, peer, "--table", table, f"--budget={BUDGET}", f"--runs={RUNS_PYTHON}", f"--seed={seed}"))
    speed_go = statistics.median(r["evaluations_per_s"] for r in go)
    speed_python = statistics.median(r["evaluations_per_s"] for r in python)
    print(f"regularized evolution, {BUDGET} evaluations a run, median of {ROUNDS} rounds, million evaluations a second")
    print(f"Go, two cores {speed_go / 1e6:6.2f}   Python, one core {speed_python / 1e6:6.3f}   ratio {speed_go / speed_python:.1f}")
    (mean_go, error_go), (mean_python, error_python) = pooled(go), pooled(python)
    apart = abs(mean_go - mean_python) / (error_go ** 2 + error_python ** 2) ** 0.5
    print(f"mean final regret: Go {mean_go:.4f} +- {error_go:.4f}   Python {mean_python:.4f} +- {error_python:.4f}   {apart:.1f} standard errors apart")
    if apart > 4:
        sys.exit("the two do not run the same algorithm")
    if speed_go / speed_python < WANTED:
        sys.exit(f"Go is less than {WANTED:.1f} times as fast")


if __name__ == "__main__":
    main()
