#!/usr/bin/env python3
"""Recomputes the numbers of hypothesis "landscape" independently of the Go code.

Usage: landscape.py NATS_BENCH_CSV HARDWARE_CSV > landscape.json

The files are those of reference.py, whose loader is used. Differences are taken
over all pairs, walks by the spectrum of the graph (the Hamming graph H(6, 5), whose
eigenvalues for interactions of j edges are 1 - 5j/24), ascents cell by cell, and
influences class by class. Needs numpy, pandas and scipy.
"""
import itertools
import json
import sys

import numpy as np
from scipy import stats

from reference import load

TASKS = ["cifar10", "cifar100", "imagenet16", "ninapro", "darcy"]
LAGS = 6
N = 15625


def shares(f, place):
    """Share of the variance that interactions of 1..6 edges have, by projections."""
    a = np.empty(N)
    a[place] = f
    a = a.reshape((5,) * 6)
    out = np.zeros(7)
    for chosen in itertools.product([0, 1], repeat=6):
        b = a
        for axis, c in enumerate(chosen):
            mean = b.mean(axis=axis, keepdims=True)
            b = b - mean if c else np.broadcast_to(mean, b.shape)
        out[sum(chosen)] += (b**2).mean()
    return out[1:] / out[1:].sum()


def walks(f, place):
    share = shares(f, place)
    return [float(sum(w * (1 - 5 * j / 24) ** k for j, w in enumerate(share, 1))) for k in range(1, LAGS + 1)]


def normal(value, influence, n=N):
    """influence: one a class."""
    c = len(influence)
    se = np.sqrt(((influence - influence.mean()) ** 2).sum() * c / (c - 1))
    z = stats.norm.ppf(0.975)
    return {"value": float(value), "ci_low": float(value - z * se), "ci_high": float(value + z * se), "n": n}


def first_lag_interval(f, class_of, near):
    """The first lag as a ratio of sums over pairs of neighbours."""
    g = f - f.mean()
    v = (g**2).mean()
    both = g * g[near].mean(axis=1)
    rho = both.mean() / v
    inner = (class_of[near] == class_of[:, None])
    s, q = np.bincount(class_of, both), np.bincount(class_of, g * (g[near] * inner).mean(axis=1))
    size, inside = np.bincount(class_of), np.bincount(class_of, inner.mean(axis=1))
    squares = np.bincount(class_of, g**2)
    c = both.mean()
    pairs = (2 * s - q - c * (2 * size - inside)) / N
    return normal(rho, pairs / v - rho * (squares - v * size) / N / v)


def differences(f, cells, class_of):
    """All pairs, in blocks: by distance the sums and, by class, what is within."""
    c = class_of.max() + 1
    sums, inner, inner_n = np.zeros((7, N)), np.zeros((7, N)), np.zeros((7, N))
    counts = np.zeros((7, N))
    for start in range(0, N, 125):
        block = slice(start, start + 125)
        d = (cells[block, None, :] != cells[None, :, :]).sum(axis=2)
        a = np.abs(f[block, None] - f[None, :])
        same = class_of[block, None] == class_of[None, :]
        for k in range(7):
            at = d == k
            sums[k, block], counts[k, block] = (a * at).sum(axis=1), at.sum(axis=1)
            inner[k, block], inner_n[k, block] = (a * (at & same)).sum(axis=1), (at & same).sum(axis=1)

    def mean(s, n, q, m):
        value = s.sum() / n.sum()
        return value, np.bincount(class_of, 2 * s - q - value * (2 * n - m), minlength=c) / n.sum()

    out = {"difference": {}, "difference_distinct": {}, "rise": {}, "locality": {}}
    total = mean(*[x[1:].sum(axis=0) for x in (sums, counts, inner, inner_n)])
    out["difference_any"] = normal(*total)
    before = None
    for k in range(1, 7):
        here = mean(sums[k], counts[k], inner[k], inner_n[k])
        out["difference"][str(k)] = normal(*here)
        out["difference_distinct"][str(k)] = normal(*mean(sums[k] - inner[k], counts[k] - inner_n[k], 0 * inner[k], 0 * inner[k]))
        out["locality"][str(k)] = normal(here[0] / total[0], here[1] / total[0] - here[0] * total[1] / total[0] ** 2)
        if before:
            out["rise"][str(k)] = normal(here[0] - before[0], here[1] - before[1])
        before = here
    return out


def noise(f, class_of):
    members = {}
    for i, c in enumerate(class_of):
        members.setdefault(c, []).append(i)
    pairs = np.array([m[:2] for m in members.values() if len(m) > 1])
    d = f[pairs[:, 0]] - f[pairs[:, 1]]
    g2 = (f - f.mean()) ** 2
    c = len(members)
    one = np.zeros(c)
    one[class_of[pairs[:, 0]]] = np.abs(d) - np.abs(d).mean()
    half, v = (d**2 / 2).mean(), g2.mean()
    share = np.zeros(c)
    share[class_of[pairs[:, 0]]] = (d**2 / 2 - half) / len(pairs)
    share = share / v - half / v**2 * (np.bincount(class_of, g2) - v * np.bincount(class_of)) / N
    signal = normal(1 - half / v, -share)
    signal["ci_high"] = min(signal["ci_high"], 1.0)
    return normal(np.abs(d).mean(), one / len(pairs), len(pairs)), signal


def optima(f, near, threshold, highest=False):
    best = f[near].max(axis=1)
    counts = {"weak": int((f >= best).sum()), "strict": int((f > best).sum()), "above_noise": int((f - best > max(threshold, 0)).sum()), "chance": N / 25}
    end, steps = np.empty(N, int), np.empty(N, int)
    for i in range(N):
        at, n = i, 0
        while best[at] > f[at]:
            tied = [j for j in near[at] if f[j] == best[at]]
            at, n = (max(tied) if highest else min(tied)), n + 1
        end[i], steps[i] = at, n
    size = np.bincount(end, minlength=N)
    order = np.lexsort((np.arange(N), -f))
    top = np.zeros(N, bool)
    top[order[:156]] = True
    return counts, {"count": int((size > 0).sum()), "largest": size.max() / N, "optimum": float((f[end] == f.max()).mean()),
                    "top": float(top[end].mean()), "steps": float(steps.mean())}


def to_best(f, cells, class_of):
    x = f - f.mean()
    d = (cells != cells[int(np.argmax(f))]).sum(axis=1)
    r = stats.pearsonr(f, d)[0]
    y = (d - d.mean()) / d.std()
    x = x / f.std()
    return normal(r, np.bincount(class_of, x * y - r / 2 * (x**2 + y**2)) / N)


def main():
    errors, cells, unique = load(*sys.argv[1:3])
    ids = {}
    class_of = np.array([ids.setdefault(u, len(ids)) for u in unique])
    place = (cells * 5 ** np.arange(5, -1, -1)).sum(axis=1)
    number = np.empty(N, int)
    number[place] = np.arange(N)
    near = np.array([[number[place[i] + (o - cells[i, e]) * 5 ** (5 - e)] for e in range(6) for o in range(5) if o != cells[i, e]] for i in range(N)])
    out = {}
    for task in TASKS:
        f = -errors[task]
        lag = walks(f, place)
        first = first_lag_interval(f, class_of, near)
        assert abs(first["value"] - lag[0]) < 1e-12
        t = {"autocorrelation": {str(k): {"value": v} for k, v in enumerate(lag, 1)},
             "autocorrelation_ranks": {str(k): {"value": v} for k, v in enumerate(walks(stats.rankdata(f), place), 1)},
             "correlation_length": {"value": -1 / np.log(lag[0])}}
        t["autocorrelation"]["1"] = first
        t.update(differences(f, cells, class_of))
        t["noise_difference"], t["signal"] = noise(f, class_of)
        threshold = t["noise_difference"]["value"]
        t["local_optima"], t["basins"] = optima(f, near, threshold)
        if task == "ninapro":
            rounded = -np.round(errors[task] * 659) / 659
            t["local_optima_rounded"], t["basins_rounded"] = optima(rounded, near, threshold)
            t["basins_rounded"]["top_other"] = optima(rounded, near, threshold, highest=True)[1]["top"]
        t["fitness_distance"] = to_best(f, cells, class_of)
        t["optimum"] = {"index": int(np.argmax(f)), "value": float(-f.max())}
        for name, v in t.items():
            out.setdefault(name, {})[task] = v
    json.dump({"landscape": out}, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main()
