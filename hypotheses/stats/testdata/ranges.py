#!/usr/bin/env python3
"""Writes ranges.json: Friedman's test and the studentised range.

    /usr/bin/python3 ranges.py > ranges.json      (SciPy 1.10.1, mpmath 1.2.1)

    friedman   scipy.stats.friedmanchisquare(*treatments); log10 p by mpmath.gammainc
    range      scipy.stats.studentized_range(k, df).cdf, where its quadrature holds;
               the tails, which SciPy takes from 1 - cdf, by mpmath.quad of the
               textbook's integral, for infinite df; for two groups by Student's t
    quantile   scipy.stats.studentized_range(k, df).ppf
    tables     printed quantiles: Demsar (JMLR 2006), table 5a, times sqrt 2
"""
import json
import math

import mpmath
import numpy as np
import scipy
from scipy import stats

mpmath.mp.dps = 40
rng = np.random.default_rng(360)


def log10(p):
    return -math.inf if p == 0 else float(mpmath.log10(p))


def friedman(blocks):
    blocks = np.asarray(blocks, float)
    k = blocks.shape[1]
    ranks = np.apply_along_axis(stats.rankdata, 1, blocks)
    with np.errstate(all="ignore"):
        r = stats.friedmanchisquare(*blocks.T)
    q = mpmath.gammainc(mpmath.mpf(k - 1) / 2, mpmath.mpf(float(r.statistic)) / 2, regularized=True) if math.isfinite(r.statistic) else mpmath.nan
    return {"blocks": blocks.tolist(), "statistic": float(r.statistic), "p": float(r.pvalue),
            "log10_p": float(mpmath.log10(q)) if math.isfinite(r.statistic) else math.nan, "mean_ranks": ranks.mean(axis=0).tolist()}


def tail(q, k):
    """P[range of k standard normal values >= q], 40 digits."""
    q = mpmath.mpf(q)
    below = mpmath.ncdf

    def f(z):  # a^n - b^n = (a - b) (a^(n-1) + ... + b^(n-1)): nothing cancels
        a, c = below(z), below(z - q)
        return mpmath.npdf(z) * c * sum(a ** i * (a - c) ** (k - 2 - i) for i in range(k - 1))

    points = [-12, -4, 0, q, q + 6, q + 14] + [q / 2 + d for d in (-4, -2, -1, 0, 1, 2, 4)]
    return k * mpmath.quad(f, sorted(set(points)))


def two_groups(q, df):
    t2 = mpmath.mpf(q) ** 2 / 2
    return mpmath.betainc(mpmath.mpf(df) / 2, 0.5, 0, df / (df + t2), regularized=True)


def ranges():
    for k in (2, 3, 10, 50):
        for df in (1, 2, 5, 20, 120, math.inf):
            d = stats.studentized_range(k, df)
            for q in (0.3, 1.0, 2.5, 4.0, 6.0):
                yield {"groups": k, "freedom": df, "q": q, "cdf": float(d.cdf(q))}


def quantiles():
    for k in (2, 3, 10, 50):
        for df in (1, 2, 5, 20, 120, math.inf):
            for p in (0.2, 0.95) if k == 3 else (0.95,):
                yield {"groups": k, "freedom": df, "p": p, "q": float(stats.studentized_range(k, df).ppf(p))}


def tails():
    for k in (2, 3, 5, 9, 40):
        for q in (0.01, 1.0, 4.0, 8.0, 15.0, 29.0, 31.0, 60.0):
            yield {"groups": k, "freedom": math.inf, "q": q, "log10_p": log10(tail(q, k))}
    for df in (1, 3, 30, 1000):
        for q in (0.01, 1.0, 4.0, 50.0, 1e4, 1e9):
            yield {"groups": 2, "freedom": df, "q": q, "log10_p": log10(two_groups(q, df))}


def plain(v):
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    if isinstance(v, list):
        return [plain(x) for x in v]
    return str(v) if isinstance(v, float) and not math.isfinite(v) else v


demsar = dict(zip(range(2, 11), (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164)))
ties = rng.integers(0, 3, (9, 4)).tolist()
out = {
    "scipy": scipy.__version__, "mpmath": mpmath.__version__,
    "friedman": {
        "ten_by_five": friedman(rng.standard_normal((10, 5)) + np.arange(5) / 3), "one_block": friedman([[3, 1, 2]]),
        "ties": friedman(ties), "a_block_of_ties": friedman(ties + [[1, 1, 1, 1]]), "all_tied": friedman([[1, 1, 1], [2, 2, 2]]),
        "agreement": friedman([[1, 2, 3, 4, 5, 6]] * 400), "unanimous_no": friedman([[1, 2, 3], [2, 3, 1], [3, 1, 2]]),
        "wide": friedman(rng.standard_normal((4, 60))),
    },
    "range": list(ranges()), "quantiles": list(quantiles()), "tails": list(tails()),
    "tables": [{"groups": k, "q": q * math.sqrt(2)} for k, q in demsar.items()],
}


def lines(value):
    """One case a line."""
    cases = [json.dumps(c, allow_nan=False) for c in value] if isinstance(value, list) else \
            [f"{json.dumps(k)}: {json.dumps(c, allow_nan=False)}" for k, c in value.items()]
    ends = "[]" if isinstance(value, list) else "{}"
    return ends[0] + "\n" + ",\n".join(cases) + "\n" + ends[1]


print("{\n" + ",\n".join(f"{json.dumps(k)}: {lines(v) if isinstance(v, (dict, list)) else json.dumps(v)}" for k, v in plain(out).items()) + "\n}")
