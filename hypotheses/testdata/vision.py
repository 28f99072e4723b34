#!/usr/bin/env python3
"""Writes vision.json: proxies and fidelities on the vision tables, by SciPy and NumPy.

    /usr/bin/python3 vision.py MIRROR > vision.json      (SciPy 1.10.1, pandas 1.5.3)

    proxies     Spearman, Kendall (tau-b) and Pearson of parameters and accuracy after
                200 epochs; unique: the first cell of each UniqueString
    fidelities  error after 12 epochs (low) against 200 (high): Spearman, Kendall, and
                the lowest high of the k lowest low less the lowest of all, ties by index
"""
import csv
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

mirror = Path(sys.argv[1])
rows = list(csv.DictReader(open(mirror / "nats_bench.csv")))
mini = pd.read_pickle(mirror / "mini-bench-arch-cell-accs.pd")
index = {r["ArchitectureString"]: i for i, r in enumerate(rows)}
order = np.argsort([index[c] for c in mini["cellstr"]])
TASKS = {"cifar10": ("CIFAR10", "cifar10"), "cifar100": ("CIFAR100", "cifar100"), "imagenet16": ("ImageNet", "imagenet")}
error = {t: 1 - np.array([float(r[f"{name}TestAccuracy200Epochs"]) for r in rows]) / 100 for t, (name, _) in TASKS.items()}
seen = {}
for i, r in enumerate(rows):
    seen.setdefault(r["UniqueString"], i)
unique = sorted(seen.values())


def parameters(cell):
    k3, k1 = cell.count("nor_conv_3x3~"), cell.count("nor_conv_1x1~")
    return sum(5 * ((9 * k3 + k1) * c * c + 2 * (k3 + k1) * c) for c in (16, 32, 64))


params = np.array([parameters(r["ArchitectureString"]) for r in rows], float)
out = {"proxies": {}, "fidelities": {}}
for task, e in error.items():
    out["proxies"][task] = {
        "spearman": stats.spearmanr(params, -e).statistic, "kendall": stats.kendalltau(params, -e).statistic,
        "pearson": stats.pearsonr(params, -e).statistic, "spearman_unique": stats.spearmanr(params[unique], -e[unique]).statistic,
    }
    for part in ("val", "test"):
        low = (1 - mini[f"{TASKS[task][1]}-{part}"].to_numpy(float) / 100)[order]
        by_low = np.argsort(low, kind="stable")
        half = by_low[: len(low) // 2]
        out["fidelities"][f"{task}_{part}"] = {
            "spearman": stats.spearmanr(low, e).statistic, "kendall": stats.kendalltau(low, e).statistic,
            "spearman_unique": stats.spearmanr(low[unique], e[unique]).statistic, "kendall_unique": stats.kendalltau(low[unique], e[unique]).statistic,
            "kendall_best_half": stats.kendalltau(low[half], e[half]).statistic,
            "regret": {str(k): e[by_low[:k]].min() - e.min() for k in (1, 3, 10, 30, 100)},
            "best": int(by_low[0]), "rank": int(1 + (e < e[by_low[0]]).sum()),
        }
json.dump(out, sys.stdout, indent=1, default=float)
print()
