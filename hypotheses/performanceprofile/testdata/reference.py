#!/usr/bin/env python3
"""Writes reference.json: performance profiles of Table 2 of NAS-Bench-360 by NumPy.

    /usr/bin/python3 reference.py > reference.json      (NumPy 1.24.2)

The input is experiments/nb360/nb360_results.csv. rho is evaluated between every two
neighbouring ratios of a profile, at the middle, so that nothing is said of how the
steps themselves are taken; lengths are those of the pieces. Intervals are of 20,000
redraws by NumPy's generator: the tests compare them with some room.
"""
import csv
import json
import os
import sys

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
rows = list(csv.DictReader(open(os.path.join(here, "../../../experiments/nb360/nb360_results.csv"))))
tasks = list(dict.fromkeys(r["task"] for r in rows))
names = list(dict.fromkeys(r["method_space"] + " " + r["method_algo"] for r in rows))
mean, sd = np.full((len(names), len(tasks)), np.nan), np.zeros((len(names), len(tasks)))
for r in rows:
    if r["mean"]:
        at = names.index(r["method_space"] + " " + r["method_algo"]), tasks.index(r["task"])
        mean[at], sd[at] = float(r["mean"]), float(r["std"])

nas = ["DenseNAS original", "DenseNAS random", "DARTS GAEA", "Auto-DL DARTS", "AMBER ENAS"]
other = ["WRN default", "WRN ASHA", "Perceiver IO default", "XGBoost default"]
groups = {"best NAS": nas, "best other": other}
five = ["WRN default", "DenseNAS original", "DenseNAS random", "WRN ASHA", "DARTS GAEA"]
point = ["CIFAR-100", "Spherical", "NinaPro", "FSD50K"]
profiles = {
    "pair": (["WRN default", "DenseNAS random"], tasks),
    "gaea": (["WRN ASHA", "DARTS GAEA"], tasks),
    "five": (five, tasks),
    "point": (five, point),
    "best": (["best NAS", "best other"], tasks),
}


def errors(table, method, on):
    columns = [tasks.index(t) for t in on]
    if method in groups:
        return np.nanmin([table[names.index(m)][columns] for m in groups[method]], axis=0)
    return table[names.index(method)][columns]


def evaluate(table, methods, on):
    e = np.array([errors(table, m, on) for m in methods])
    ratio = e / e.min(axis=0)
    end = ratio.max()
    edges = np.unique(np.concatenate([[1.0], ratio.ravel()]))
    middle, length = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    rho = (ratio[:, None, :] <= middle[None, :, None]).mean(axis=2)
    out = {"ratio": ratio, "end": end, "wins": (ratio == 1).mean(axis=1), "area": rho @ length / (end - 1)}
    lower = rho[:, None, :] < rho[None, :, :]
    out["below"] = lower @ length / (end - 1)
    out["below_log"] = lower @ np.diff(np.log(edges)) / np.log(end)
    cross = {}
    for i in range(len(methods)):
        for j in range(len(methods)):
            last, found = 0, []
            for k, d in enumerate(np.sign(np.round(rho[i] - rho[j], 9))):
                if d > 0 and last < 0:
                    found.append(float(edges[k]))
                last = d if d else last
            cross[f"{methods[i]}|{methods[j]}"] = found
    out["crossings"] = cross
    return out


rng = np.random.default_rng(20240722)
result = {}
for name, (methods, on) in profiles.items():
    base = evaluate(mean, methods, on)
    drawn = [evaluate(np.maximum(mean + sd / np.sqrt(3) * rng.standard_normal(mean.shape), 0), methods, on) for _ in range(20_000)]
    interval = lambda key: np.quantile(np.array([d[key] for d in drawn]), [0.025, 0.975], axis=0)
    result[name] = {"Methods": methods, "Tasks": on, "Crossings": base["crossings"]}
    for key in ("ratio", "end", "wins", "area", "below", "below_log"):
        result[name][key.title().replace("_", "")] = base[key].tolist()
    for key in ("area", "below"):
        low, high = interval(key)
        result[name][key.title() + "Low"], result[name][key.title() + "High"] = low.tolist(), high.tolist()
json.dump(result, sys.stdout, indent=1)
print()
