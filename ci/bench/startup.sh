#!/usr/bin/env bash
# CPU and wall time of `nbpipe --version`, beside `git --version` in the same
# minute: what every command pays before it does anything.
set -euo pipefail
nbpipe=${1:-./nbpipe}
python3 - "$nbpipe" <<'PY'
import os, statistics, subprocess, sys, time
def measure(argv, n=30):
    wall, cpu = [], []
    for _ in range(n):
        before, t = os.times(), time.perf_counter()
        subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        wall.append(1000 * (time.perf_counter() - t))
        cpu.append(1000 * (after.children_user + after.children_system - before.children_user - before.children_system))
    return statistics.median(wall), statistics.mean(cpu)
for argv in ([sys.argv[1], "--version"], ["git", "--version"]):
    wall, cpu = measure(argv)
    print(f"{' '.join(argv):30} wall {wall:6.1f} ms   CPU {cpu:6.1f} ms")
PY
