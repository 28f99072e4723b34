#!/usr/bin/env python3
"""Times SciPy's transform and direct solver against the Go program given as the
argument, on the same samples of Darcy flow.

Both use one core; CPU seconds are compared, which other work on the machine
moves less than wall time. Prints both per sample and the ratio SciPy / Go. Exits
1 where solutions differ by more than 1e-8, or if Go takes longer than SciPy, or
more than 0.6 s for a sample at 421 nodes per side.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import scipy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../stages/dataset/darcyflow/testdata"))
import darcy

CASES = {85: (60, 8), 141: (30, 5), 421: (12, 2)}  # nodes per side: samples in Go, in SciPy
TOLERANCE, LIMIT = 1e-8, 0.6


def time_go(program, n, samples, folder):
    """CPU seconds of a sample."""
    command = [program, f"-resolution={n}", f"-samples={samples}", f"-out={folder}"]
    out = subprocess.run(command, env=dict(os.environ, GOMAXPROCS="1"), check=True, capture_output=True).stdout
    return json.loads(out)["cpu"] / samples


def time_scipy(n, samples, folder):
    """CPU seconds of a sample, and by how much solutions differ from Go's."""
    coefficients = np.load(os.path.join(folder, "coeff.npy"), mmap_mode="r")
    solutions = np.load(os.path.join(folder, "sol.npy"), mmap_mode="r")
    xi = np.random.default_rng(1).standard_normal((n, n))
    worst, start = 0.0, time.process_time()
    for i in range(samples):
        darcy.coefficient(darcy.field(xi))
        want = darcy.solve(np.array(coefficients[i]))
        worst = max(worst, float(np.linalg.norm(solutions[i] - want) / np.linalg.norm(want)))
    return (time.process_time() - start) / samples, worst


def main():
    print(f"Darcy flow, CPU seconds of a sample, one core, SciPy {scipy.__version__} (spsolve)")
    failed = []
    for n, (ours, theirs) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            go = time_go(sys.argv[1], n, ours, folder)
            peer, worst = time_scipy(n, theirs, folder)
        print(f"{n:4} x {n:<4} Go {go:7.4f} s  SciPy {peer:7.4f} s  SciPy / Go {peer / go:5.1f}  difference {worst:.1e}", flush=True)
        if worst > TOLERANCE:
            failed.append(f"at {n} the solutions differ by {worst:.2g}")
        if go > peer or (n == 421 and go > LIMIT):
            failed.append(f"at {n} Go takes {go:.3f} s")
    sys.exit("; ".join(failed) or 0)


if __name__ == "__main__":
    main()
