#!/usr/bin/python3
"""Writes golden.json: SRCC, an interval and Pareto sets without this project's code.

    /usr/bin/python3 golden.py MIRROR

NumPy 1.24, SciPy 1.10 (Debian 12). Cells are decoded by argmax, classes by a string
of the cell's function, fronts by comparing every two cells.
"""
import csv
import json
import pickle
import re
import sys

import numpy as np
from scipy import stats

OPS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
DEVICES = ["rice_pixel3", "rice_fpga", "rice_raspi4", "rice_edgetpu"]


def read(name):
    return np.array(pickle.load(open(f"{sys.argv[1]}/oneproxy/{name}.pickle", "rb")), float)


def unique(cell):
    nodes, edge = ["0"], 0
    for to in range(1, 4):
        terms = []
        for source in nodes[:to]:
            op = cell[edge]
            edge += 1
            dead = op == 0 or source == "#"
            terms.append("#" if dead else source if op == 1 else f"({source})@{op}")
        nodes.append("+".join(sorted(terms)))
    return nodes[3]


cells = [tuple(c) for c in read("encode")[:, :30].reshape(-1, 6, 5).argmax(2)]
found = {}
for row in csv.DictReader(open(f"{sys.argv[1]}/nats_bench.csv")):
    cell = tuple(OPS.index(op) for op in re.findall(r"([a-z_0-9]+)~", row["ArchitectureString"]))
    found[cell] = float(row["CIFAR10TestAccuracy200Epochs"])
accuracy = np.array([found[c] for c in cells])
latency = {d: read(d) for d in DEVICES}
seen = {d: latency[d] != -1 for d in DEVICES}

srcc = {a: {b: stats.spearmanr(latency[a][seen[a] & seen[b]], latency[b][seen[a] & seen[b]])[0]
            for b in DEVICES if b != a} for a in DEVICES}

classes = {}
for i, c in enumerate(cells):
    classes.setdefault(unique(c), []).append(i)
members = [np.array(m) for m in classes.values()]
rng = np.random.default_rng(1)
draws = []
for _ in range(1000):
    at = np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])
    draws.append(stats.spearmanr(latency["rice_pixel3"][at], latency["rice_fpga"][at])[0])


def front(cost, at):
    return [i for i in at if not any(
        cost[j] <= cost[i] and accuracy[j] >= accuracy[i] and (cost[j] < cost[i] or accuracy[j] > accuracy[i]) for j in at)]


def volume(cost, points, worst, floor):
    """The area that the points dominate, a strip at a time."""
    edges = sorted({cost[i] for i in points} | {worst})
    return sum((right - left) * (max(accuracy[i] for i in points if cost[i] <= left) - floor)
               for left, right in zip(edges, edges[1:]))


transfer = {}
for target in DEVICES[1:]:
    at = np.flatnonzero(seen["rice_pixel3"] & seen[target])
    cost = latency[target]
    chosen, best = front(latency["rice_pixel3"], at), front(cost, at)
    left = front(cost, chosen)
    worst, floor = cost[at].max(), accuracy[at].min()
    losses = [accuracy[i] - max(accuracy[j] for j in left if cost[j] <= cost[i])
              for i in best if any(cost[j] <= cost[i] for j in left)]
    transfer[target] = {
        "proxy_optimal": len(chosen), "target_optimal": len(best), "after": len(left),
        "kept": len(set(chosen) & set(best)) / len(chosen), "found": len(set(chosen) & set(best)) / len(best),
        "hypervolume": volume(cost, left, worst, floor) / volume(cost, best, worst, floor),
        "regret": float(np.mean(losses)), "max_regret": max(losses), "uncovered": 1 - len(losses) / len(best)}

with open("golden.json", "w") as f:
    json.dump({"srcc": srcc, "interval": list(np.quantile(draws, [0.025, 0.975])), "transfer": transfer}, f, indent=1)
    f.write("\n")
