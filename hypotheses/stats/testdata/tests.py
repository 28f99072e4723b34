#!/usr/bin/env python3
"""Writes tests.json: rank tests, corrections of p-values and BCa intervals.

    /usr/bin/python3 tests.py > tests.json   (SciPy 1.10.1, statsmodels 0.13.5, mpmath 1.2.1)

    wilcoxon      scipy.stats.wilcoxon(d, zero_method=, correction=, alternative=, method=)
    mannwhitney   scipy.stats.mannwhitneyu(x, y, use_continuity=, alternative=, method=)
    adjusted      statsmodels.stats.multitest.multipletests(p, method="holm" and "fdr_bh")
    bca           scipy.stats.bootstrap(method="BCa"), whose resamples are drawn again
                  from the same generator to be written down
    far           log10 p where p underflows, by mpmath from z
"""
import itertools
import json
import math
import warnings

import mpmath
import numpy as np
import scipy
from scipy import stats
import statsmodels
from statsmodels.stats.multitest import multipletests

warnings.simplefilter("ignore")
mpmath.mp.dps = 40
rng = np.random.default_rng(24)
ALTERNATIVES = ("two-sided", "less", "greater")


def wilcoxon_samples():
    yield "one", [1.5]
    yield "two", [1.0, -2.0]
    yield "corn", [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]
    yield "centre", [1, -2, -3, 4]
    yield "ties", [1, 1, -1, 2, 2, 2, -3, 3, 4, 5, 5, -6]
    yield "half_rank", [1, 1, -2, -2, -2, 3]
    yield "zeros", [0, 0, 0, 1, -2, 3, 4, -5, 5, 6, 7, 0]
    yield "constant", [2.0] * 7
    yield "fifty", rng.normal(0.2, 1, 50).tolist()
    yield "fifty_one", rng.normal(0.4, 1, 51).tolist()
    yield "rounded_120", rng.normal(0.3, 1, 120).round(1).tolist()


def wilcoxon():
    for name, d in wilcoxon_samples():
        for zeros, correction, alternative, method in itertools.product(
                ("wilcox", "pratt", "zsplit"), (False, True), ALTERNATIVES, ("auto", "exact", "approx")):
            if method != "approx" and (correction or zeros != "wilcox") and 0 not in d:
                continue
            r = stats.wilcoxon(d, zero_method=zeros, correction=correction, alternative=alternative, method=method)
            yield {"name": name, "d": d, "zeros": zeros, "correction": correction, "alternative": alternative,
                   "method": method, "statistic": float(r.statistic), "p": float(r.pvalue)}


def mannwhitney_samples():
    yield "one_one", [1.0], [2.0]
    yield "docs", [19, 22, 16, 29, 24], [20, 11, 17, 12]
    yield "ties", [1, 2, 2, 3, 3, 3], [2, 3, 4, 4, 5]
    yield "constant", [1, 1, 1], [1, 1]
    yield "eight_many", rng.normal(0.5, 1, 8).tolist(), rng.normal(0, 1, 60).tolist()
    yield "nine_nine", rng.normal(0.5, 1, 9).tolist(), rng.normal(0, 1, 9).tolist()
    yield "apart", [float(v) for v in range(8)], [float(v) for v in range(10, 19)]
    yield "fifty", rng.normal(0.3, 1, 50).round(1).tolist(), rng.normal(0, 1, 70).round(1).tolist()
    yield "infinite", [1, math.inf, 3], [2, -8, 0, 7]


def mannwhitney():
    for name, x, y in mannwhitney_samples():
        for continuity, alternative, method in itertools.product((True, False), ALTERNATIVES, ("auto", "exact", "asymptotic")):
            if method == "exact" and not continuity:
                continue
            r = stats.mannwhitneyu(x, y, use_continuity=continuity, alternative=alternative, method=method)
            yield {"name": name, "x": x, "y": y, "continuity": continuity, "alternative": alternative,
                   "method": method, "statistic": float(r.statistic), "p": float(r.pvalue)}


def adjusted():
    for p in ([], [0.03], [0.01, 0.04, 0.03, 0.005], [0.02] * 4, [0.0, 1.0, 0.5, 1e-200], rng.uniform(0, 1, 30).tolist(),
              (rng.uniform(0, 1, 40) ** 8).tolist()):
        holm, bh = (multipletests(p, method=m)[1].tolist() if p else [] for m in ("holm", "fdr_bh"))
        yield {"p": p, "holm": holm, "benjamini_hochberg": bh}


def bca():
    cases = {
        "mean_small": (rng.normal(0, 1, 6), None, 80), "mean_skewed": (rng.exponential(1, 25), None, 400),
        "median_ties": (rng.integers(0, 5, 15).astype(float), None, 200), "pearson": (rng.normal(0, 1, 30), 0.6, 400),
        "constant": (np.full(5, 2.0), None, 50),
    }
    for name, (x, slope, resamples) in cases.items():
        data, paired = (x,), False
        statistic = lambda v, axis: np.mean(v, axis=axis)
        if name == "median_ties":
            statistic = lambda v, axis: np.median(v, axis=axis)
        if slope is not None:
            data, paired = (x, slope * x + rng.normal(0, 1, len(x))), True
            statistic = lambda u, v: stats.pearsonr(u, v)[0]
        seed = 1000 + resamples
        r = stats.bootstrap(data, statistic, paired=paired, n_resamples=resamples, method="BCa", vectorized=not paired,
                            random_state=np.random.default_rng(seed))
        drawn = np.random.default_rng(seed).integers(0, len(x), (resamples, len(x)))
        again = np.array([statistic(*[v[i] for v in data]) if paired else statistic(data[0][i], axis=-1) for i in drawn])
        assert abs(np.std(again, ddof=1) - r.standard_error) < 1e-12, name
        yield {"name": name, "data": [v.tolist() for v in data], "resamples": drawn.tolist(), "low": float(r.confidence_interval.low),
               "high": float(r.confidence_interval.high), "std_err": float(r.standard_error)}


def far():
    z = stats.wilcoxon(np.arange(1.0, 2001), method="approx").zstatistic
    yield {"what": "wilcoxon", "n": 2000, "log10_p": float(mpmath.log10(mpmath.erfc(abs(mpmath.mpf(z)) / mpmath.sqrt(2))))}
    n = mpmath.mpf(2000)
    z = (n * n / 2 - mpmath.mpf(1) / 2) / mpmath.sqrt(n * n * (2 * n + 1) / 12)
    yield {"what": "mannwhitney", "n": 2000, "log10_p": float(mpmath.log10(mpmath.erfc(z / mpmath.sqrt(2))))}


def plain(v):
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    if isinstance(v, list):
        return [plain(x) for x in v]
    return str(v) if isinstance(v, float) and not math.isfinite(v) else v


sections = {"wilcoxon": wilcoxon, "mannwhitney": mannwhitney, "adjusted": adjusted, "bca": bca, "far": far}
rows = {name: ",\n".join(json.dumps(plain(c), allow_nan=False) for c in make()) for name, make in sections.items()}
versions = {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "mpmath": mpmath.__version__}
print("{\n" + json.dumps(versions)[1:-1] + ",\n" + ",\n".join(f"{json.dumps(name)}: [\n{r}\n]" for name, r in rows.items()) + "\n}")
