#!/usr/bin/env python3
"""Writes reference.json: what NumPy and SciPy say of Table 2 of NAS-Bench-360.

    /usr/bin/python3 reference.py > reference.json      (NumPy 1.24.2, SciPy 1.10.1)

The input is experiments/nb360/nb360_results.csv. Intervals are of 100,000 redraws by
NumPy's generator: the tests compare them with some room.
"""
import csv
import json
import os
import sys

import numpy as np
from scipy import stats

here = os.path.dirname(os.path.abspath(__file__))
rows = list(csv.DictReader(open(os.path.join(here, "../../../experiments/nb360/nb360_results.csv"))))
names = ["WRN default", "DenseNAS original", "DenseNAS random", "WRN ASHA", "DARTS GAEA", "Auto-DL DARTS", "AMBER ENAS"]
tasks = list(dict.fromkeys(r["task"] for r in rows))

mean = np.full((len(names), len(tasks)), np.nan)
sd = np.zeros_like(mean)
for r in rows:
    name = r["method_space"] + " " + r["method_algo"]
    if name in names and r["mean"]:
        at = names.index(name), tasks.index(r["task"])
        mean[at], sd[at] = float(r["mean"]), float(r["std"])


def ranks(errors):
    return stats.rankdata(errors, axis=0, nan_policy="omit")


def improvement(errors):
    return 100 * (errors[0] - errors) / errors[0]


def interval(drawn):
    return [float(v) for v in np.nanquantile(drawn, [0.025, 0.975], axis=0)]


def number(v):
    return None if np.isnan(v) else float(v)


rng = np.random.default_rng(20240721)
median_ranks, median_improvements, fewer, block_ranks = [], [], [], []
for _ in range(100_000):
    drawn = np.maximum(mean + sd / np.sqrt(3) * rng.standard_normal(mean.shape), 0)
    median_improvements.append(np.nanmedian(improvement(drawn), axis=1))
    fewer.append(int(np.sum(drawn[1] < drawn[2])))
    if len(median_ranks) < 20_000:
        median_ranks.append(np.nanmedian(ranks(drawn), axis=1))
        block_ranks.append(ranks(drawn[:5]).mean(axis=1))
median_ranks, median_improvements, block_ranks = map(np.array, (median_ranks, median_improvements, block_ranks))

friedman = stats.friedmanchisquare(*mean[:5])
mean_ranks = ranks(mean[:5]).mean(axis=1)
scale = np.sqrt(5 * 6 / (12 * len(tasks)))
pairs = {}
for a, first in enumerate(names):
    for b, second in enumerate(names):
        d = np.log(mean[a] / mean[b])
        d = d[~np.isnan(d)]
        if a == b or len(d) == 0:
            continue
        lower, higher = int(np.sum(d < 0)), int(np.sum(d > 0))
        pairs[first + "|" + second] = {
            "better": lower, "worse": higher, "tied": len(d) - lower - higher,
            "wilcoxon_p": float(stats.wilcoxon(d).pvalue),
            "sign_p": float(stats.binomtest(lower, lower + higher, 0.5).pvalue),
        }

json.dump({
    "Names": names, "Tasks": tasks,
    "Rank": [[number(v) for v in row] for row in ranks(mean)],
    "MedianRank": [float(v) for v in np.nanmedian(ranks(mean), axis=1)],
    "MedianRankInterval": [interval(median_ranks[:, m]) for m in range(len(names))],
    "Improvement": [[number(v) for v in row] for row in improvement(mean)],
    "MedianImprovement": [float(v) for v in np.nanmedian(improvement(mean), axis=1)],
    "MedianImprovementInterval": [interval(median_improvements[:, m]) for m in range(len(names))],
    "FewerInterval": interval(np.array(fewer)),
    "Pairs": pairs,
    "Friedman": {"Statistic": float(friedman.statistic), "P": float(friedman.pvalue), "MeanRanks": [float(v) for v in mean_ranks],
                 "Intervals": [interval(block_ranks[:, m]) for m in range(5)],
                 "CriticalDifference": float(stats.studentized_range.ppf(0.95, 5, np.inf) * scale),
                 "NemenyiP": [[float(stats.studentized_range.sf(abs(x - y) / scale, 5, np.inf)) for y in mean_ranks] for x in mean_ranks]},
}, sys.stdout, indent=1)
print()
