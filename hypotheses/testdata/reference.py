#!/usr/bin/env python3
"""Recomputes the numbers of H2 and H3 independently of the Go code.

Usage: reference.py NATS_BENCH_CSV HARDWARE_CSV > golden.json

NATS_BENCH_CSV is nats_bench.csv as published. HARDWARE_CSV holds the rows of
hw-nas-bench-360.parquet as text; `go test ./hypotheses -run TestGolden -export
FILE` writes it, since NumPy and pandas alone read no Parquet.

Needs numpy, pandas and scipy. Classes are taken from the UniqueString column of
the published file, edges from its ArchitectureString: nothing here knows the
Go code's own enumeration.
"""
import itertools
import json
import re
import sys

import numpy as np
import pandas as pd
from scipy import stats

OPS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
NAMED = ["nor_conv_1x1", "nor_conv_3x3", "skip_connect", "avg_pool_3x3"]
TASKS = ["cifar100", "cifar10", "imagenet16", "ninapro", "darcy"]
VISION = {
    "cifar10": "CIFAR10TestAccuracy200Epochs",
    "cifar100": "CIFAR100TestAccuracy200Epochs",
    "imagenet16": "ImageNetTestAccuracy200Epochs",
}


def load(nats_path, hardware_path):
    nats = pd.read_csv(nats_path, float_precision="round_trip")
    errors = {t: 1 - nats[c].to_numpy() / 100 for t, c in VISION.items()}
    hw = pd.read_csv(hardware_path, float_precision="round_trip")
    spread = hw.groupby(["task", "architecture"]).accuracy.agg(lambda a: a.max() - a.min()).max()
    assert spread == 0, "accuracy differs between devices or frameworks"
    hw = hw[(hw.device == "pi5") & (hw.framework == "onnx")]
    for task in ["ninapro", "darcy"]:
        rows = hw[hw.task == task].sort_values("architecture")
        assert (rows.architecture.to_numpy() == np.arange(15625)).all()
        accuracy = rows.accuracy.to_numpy()
        errors[task] = 1 - accuracy / 100 if task == "ninapro" else 1 - accuracy
    cells = np.array([[OPS.index(op) for op in re.findall(r"([a-z_0-9]+)~", s)] for s in nats.ArchitectureString])
    return errors, cells, nats.UniqueString.to_numpy()


def correlation(f, x, y):
    c = f(x, y)
    return {"value": float(c[0]), "p": float(c[1])}


def overlap(x, y, k):
    a = set(np.argsort(x, kind="stable")[:k])
    b = set(np.argsort(y, kind="stable")[:k])
    count = len(a & b)
    return {"count": count, "value": count / k, "k": k, "log10_p": float(stats.hypergeom.logsf(count - 1, len(x), k, k) / np.log(10))}


def transfer(raw, unique_strings):
    errors = dict(raw)
    errors["ninapro"] = np.round(raw["ninapro"] * 659) / 659
    members = {}
    for i, s in enumerate(unique_strings):
        members.setdefault(s, []).append(i)
    unique = np.array(sorted(m[0] for m in members.values()))
    pairs = np.array([m[:2] for m in members.values() if len(m) > 1])
    x = errors["cifar100"]
    half = np.argsort(x, kind="stable")[: len(x) // 2]
    out = {name: {} for name in ["spearman", "kendall", "spearman_unique", "kendall_unique", "spearman_raw", "kendall_raw",
                                 "spearman_best_half", "overlap", "noise_ceiling", "pairwise", "pairwise_kendall", "best"]}
    out["classes"] = len(unique)
    for t in TASKS[1:]:
        y = errors[t]
        out["spearman"][t] = correlation(stats.spearmanr, x, y)
        out["kendall"][t] = correlation(stats.kendalltau, x, y)
        out["spearman_unique"][t] = correlation(stats.spearmanr, x[unique], y[unique])
        out["kendall_unique"][t] = correlation(stats.kendalltau, x[unique], y[unique])
        out["spearman_raw"][t] = correlation(stats.spearmanr, x, raw[t])
        out["kendall_raw"][t] = correlation(stats.kendalltau, x, raw[t])
        out["spearman_best_half"][t] = correlation(stats.spearmanr, x[half], y[half])
        out["overlap"][t] = {"1%": overlap(x, y, 156), "5%": overlap(x, y, 781)}
    for a in TASKS:
        out["noise_ceiling"][a] = correlation(stats.spearmanr, errors[a][pairs[:, 0]], errors[a][pairs[:, 1]])
        out["noise_ceiling"][a]["n"] = len(pairs)
        others = [b for b in TASKS if b != a]
        out["pairwise"][a] = {b: correlation(stats.spearmanr, errors[a], errors[b]) for b in others}
        out["pairwise_kendall"][a] = {b: correlation(stats.kendalltau, errors[a], errors[b]) for b in others}
        i = int(np.argmin(raw[a]))
        out["best"][a] = {"index": i, "value": float(raw[a][i]), "rank": {b: int(np.sum(errors[b] < errors[b][i])) + 1 for b in others}}
    return out


def importance(raw, cells):
    number = {tuple(c): i for i, c in enumerate(cells)}
    result = {"importance": {}, "distance": {}, "best": {}}
    scaled = {}
    for t in TASKS:
        e = raw[t]
        pools = {op: [] for op in NAMED}
        for a in np.lexsort((np.arange(len(e)), e))[:781]:
            for edge, op in enumerate(cells[a]):
                if OPS[op] == "none":
                    continue
                others = []
                for alternative in range(5):
                    if alternative != op:
                        c = list(cells[a])
                        c[edge] = alternative
                        others.append(e[number[tuple(c)]])
                pools[OPS[op]].append(np.mean(others) - e[a])
        result["importance"][t] = {op: box(np.array(p)) for op, p in pools.items()}
        iqr = stats.iqr(np.concatenate([pools[op] for op in NAMED]))
        scaled[t] = {op: np.array(p) / iqr for op, p in pools.items()}
        i = int(np.lexsort((np.arange(len(e)), e))[0])
        result["best"][t] = {"index": i, "value": float(e[i])}
    for a, b in itertools.permutations(TASKS, 2):
        d = np.mean([stats.wasserstein_distance(scaled[a][op], scaled[b][op]) for op in NAMED])
        result["distance"].setdefault(a, {})[b] = {"value": float(d)}
    return result


def box(p):
    q1, median, q3 = np.percentile(p, [25, 50, 75])
    low = p[p >= q1 - 1.5 * (q3 - q1)].min()
    high = p[p <= q3 + 1.5 * (q3 - q1)].max()
    return {"n": len(p), "q1": float(q1), "median": float(median), "q3": float(q3),
            "whisker_low": float(min(low, q1)), "whisker_high": float(max(high, q3))}


def main():
    errors, cells, unique_strings = load(*sys.argv[1:3])
    json.dump({"rank_transfer": transfer(errors, unique_strings), "operation_importance": importance(errors, cells)},
              sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main()
