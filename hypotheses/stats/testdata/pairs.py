#!/usr/bin/env python3
"""Writes pairs.json: what SciPy says of means, their differences and of pairs.

    /usr/bin/python3 pairs.py > pairs.json      (SciPy 1.10.1, mpmath 1.2.1)

Quantiles of Student's t are mpmath's: this SciPy has 9 digits of them.
"""
import json
import sys

import mpmath
import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(20240717)


mpmath.mp.dps = 40


def student(p, freedom):
    """Quantile by the incomplete beta function."""
    if p == 0.5:
        return 0.0
    f = mpmath.mpf(freedom)
    tail = lambda t: mpmath.betainc(f / 2, 0.5, 0, f / (f + t * t), regularized=True) / 2
    want = min(mpmath.mpf(p), 1 - mpmath.mpf(p))
    t = mpmath.findroot(lambda t: mpmath.log(tail(t)) - mpmath.log(want), abs(stats.t.ppf(p, freedom)))
    return float(t if p > 0.5 else -t)


def mean_difference(x, y, axis):
    return np.mean(x, axis=axis) - np.mean(y, axis=axis)


def pairs(x, y):
    p = {}
    for alternative in ("greater", "two-sided"):
        r = stats.permutation_test((x, y), mean_difference, permutation_type="samples", vectorized=True,
                                   n_resamples=np.inf, alternative=alternative)
        p[alternative] = float(r.pvalue)
    return {"x": list(x), "y": list(y), "mean": float(np.mean(x - y)), "greater": p["greater"], "two_sided": p["two-sided"]}


def welch(x, y):
    ci = stats.ttest_ind(x, y, equal_var=False)
    vx, vy = np.var(x, ddof=1) / len(x), np.var(y, ddof=1) / len(y)
    df = (vx + vy) ** 2 / (vx**2 / (len(x) - 1) + vy**2 / (len(y) - 1))
    half = stats.t.ppf(0.975, df) * np.sqrt(vx + vy)
    difference = np.mean(x) - np.mean(y)
    assert abs(ci.statistic - difference / np.sqrt(vx + vy)) < 1e-9
    return {"x": list(x), "y": list(y), "difference": float(difference), "low": float(difference - half), "high": float(difference + half)}


def mean(x):
    low, high = stats.t.interval(0.95, len(x) - 1, loc=np.mean(x), scale=stats.sem(x))
    return {"x": list(x), "mean": float(np.mean(x)), "low": float(low), "high": float(high), "std_err": float(stats.sem(x))}


samples = {
    "twelve": rng.normal(0.3, 1, 12), "five": rng.normal(0, 1, 5), "two": np.array([0.25, 0.5]),
    "ties": np.array([1, -1, 2, -2, 3, 3, 0, 0.0]), "tiny": rng.normal(1e-9, 1e-9, 10),
    "all_up": np.abs(rng.normal(0, 1, 12)) + 0.01,
}
out = {
    "scipy": scipy.__version__,
    "pairs": {name: pairs(d + (base := rng.integers(0, 8, len(d)) / 8), base) for name, d in samples.items()},
    "welch": {name: welch(d, rng.normal(0.1, 0.5, 6)) for name, d in samples.items()},
    "mean": {name: mean(d) for name, d in samples.items()},
    "student": [{"p": p, "freedom": f, "t": student(p, f)} for p in (0.5, 0.6, 0.9, 0.975, 0.999, 0.01) for f in (1, 2, 2.5, 5, 11, 30, 1000)],
}
json.dump(out, sys.stdout, indent=1)
print()
