#!/usr/bin/env python3
"""Writes golden.json: what SciPy, NumPy and mpmath say of fixed samples.

    /usr/bin/python3 golden.py > golden.json      (SciPy 1.10.1, mpmath 1.2.1)

Values are SciPy's. log10 p is exact or computed by mpmath with 60 digits, from
exact ranks and pair counts, because SciPy's p underflows. Numbers that JSON has
no form for are written as the strings "nan", "inf" and "-inf".
"""
import json
import math
import sys
import warnings
from fractions import Fraction

import mpmath
import numpy as np
import scipy
from scipy import stats

warnings.simplefilter("ignore")
mpmath.mp.dps = 60
NAN, INF = math.nan, math.inf
MASK = (1 << 64) - 1


def lcg(seed):
    """Knuth's MMIX generator; the 31 high bits of each state."""
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        yield state >> 33


def formula_sample(seed, n, levels, noise):
    """Two correlated samples of small multiples of 1/8, as in golden_test.go."""
    draw = lcg(seed)
    x, y = [], []
    for _ in range(n):
        base = next(draw) % levels
        x.append((base + next(draw) % noise) / 8)
        y.append((base + next(draw) % noise) / 8)
    return x, y


def signs(x):
    """For each i the signs of x[j] - x[i], as rows."""
    x = np.asarray(x)
    return (np.sign(x - v) if np.isfinite(v) else (x > v) * 1 - (x < v) * 1.0 for v in x)


def pair_counts(x, y):
    """Concordant, discordant, tied in x, tied in y, tied in both: by all pairs."""
    con = dis = tx = ty = both = 0
    for sx, sy in zip(signs(x), signs(y)):
        agree = sx * sy
        con += int((agree > 0).sum())
        dis += int((agree < 0).sum())
        tx += int((sx == 0).sum()) - 1
        ty += int((sy == 0).sum()) - 1
        both += int(((sx == 0) & (sy == 0)).sum()) - 1
    return [c // 2 for c in (con, dis, tx, ty, both)]


def log10(v):
    return float(mpmath.log10(v)) if v > 0 else -INF


def correlation_tail(r_squared, n):
    """log10 of I_{1-r^2}(n/2-1, 1/2)."""
    if n < 3:
        return NAN
    x = 1 - mpmath.mpf(r_squared.numerator) / r_squared.denominator
    if x == 0:
        return -INF
    return log10(mpmath.betainc(mpmath.mpf(n) / 2 - 1, 0.5, 0, x, regularized=True))


def average_ranks(x):
    """scipy.stats.rankdata, which takes inf with -inf for a NaN."""
    return stats.rankdata(np.unique(x, return_inverse=True)[1])


def exact_spearman_tail(x, y):
    rx = [Fraction(v).limit_denominator(2) for v in average_ranks(x)]
    ry = [Fraction(v).limit_denominator(2) for v in average_ranks(y)]
    n, mid = len(x), Fraction(len(x) + 1, 2)
    xy = sum((a - mid) * (b - mid) for a, b in zip(rx, ry))
    xx, yy = sum((a - mid) ** 2 for a in rx), sum((b - mid) ** 2 for b in ry)
    return correlation_tail(xy * xy / (xx * yy), n)


def exact_kendall(n, smaller):
    """Two-sided tail of the number of inversions, in integers."""
    counts = [1]
    for j in range(2, n + 1):
        new = [0] * (len(counts) + j - 1)
        for k, c in enumerate(counts):
            for i in range(j):
                new[k + i] += c
        counts = new
        if n > 33:
            counts = counts[:smaller + 1]
    tail = 2 * Fraction(sum(counts[:smaller + 1]), math.factorial(n))
    return min(Fraction(1), tail)


def kendall_tail(x, y, counts):
    con, dis, tx, ty, both = counts
    n = len(x)
    total = n * (n - 1) // 2
    smaller = min(dis, total - dis)
    if tx == 0 and ty == 0 and (n <= 33 or smaller <= 1):
        p = exact_kendall(n, smaller)
        return log10(mpmath.mpf(p.numerator) / p.denominator)
    size = [np.unique(v, return_counts=True)[1].tolist() for v in (x, y)]
    skew = [sum(t * (t - 1) * (2 * t + 5) for t in s) for s in size]
    cubes = [sum(t * (t - 1) * (t - 2) for t in s) for s in size]
    m = n * (n - 1)
    var = (Fraction(m * (2 * n + 5) - sum(skew), 18) + Fraction(2 * tx * ty, m)
           + Fraction(cubes[0] * cubes[1], 9 * m * (n - 2)))
    z = abs(con - dis) / mpmath.sqrt(mpmath.mpf(var.numerator) / var.denominator)
    return log10(mpmath.erfc(z / mpmath.sqrt(2)))


def triple(value, p, log10_p):
    return {"value": float(value), "p": float(p), "log10_p": log10_p}


def correlate(x, y):
    """What the three coefficients are expected to be."""
    n, nothing = len(x), triple(NAN, NAN, NAN)
    out = {"n": n, "spearman": nothing, "pearson": nothing, "kendall": nothing}
    if n < 2 or any(math.isnan(v) for v in x + y):
        return out
    out["counts"] = pair_counts(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        return out
    s = stats.spearmanr(average_ranks(x), average_ranks(y))
    out["spearman"] = triple(s.statistic, s.pvalue, exact_spearman_tail(x, y))
    k = stats.kendalltau(average_ranks(x), average_ranks(y))
    out["kendall"] = triple(k.statistic, k.pvalue, kendall_tail(x, y, out["counts"]))
    if all(map(math.isfinite, x + y)):
        r = stats.pearsonr(x, y)
        tail = 0.0 if n == 2 else correlation_tail(Fraction(float(r.statistic)) ** 2, n)
        out["pearson"] = triple(r.statistic, r.pvalue, tail)
        if n > 3:
            out["fisher"] = [float(v) for v in r.confidence_interval()]
    return out


def small_samples():
    rng = np.random.default_rng(20240229)
    normal = lambda n: rng.standard_normal(n).tolist()
    yield "empty", [], []
    yield "one", [1.0], [2.0]
    yield "two_up", [1.0, 2.0], [3.0, 5.0]
    yield "two_down", [1.0, 2.0], [5.0, 3.0]
    yield "two_tied", [1.0, 1.0], [5.0, 3.0]
    yield "three_up", [1.0, 2.0, 3.0], [1.0, 3.0, 4.0]
    yield "three_one_swap", [1.0, 2.0, 3.0], [2.0, 1.0, 4.0]
    yield "three_tie", [1.0, 2.0, 2.0], [1.0, 2.0, 3.0]
    yield "four_half", [1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 1.0, 3.0]
    yield "five_up", [1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 3.0, 5.0, 7.0, 11.0]
    yield "constant_x", [2.0] * 6, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    yield "constant_y", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2.0] * 6
    yield "constant_both", [2.0] * 6, [3.0] * 6
    yield "nan_x", [1.0, NAN, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]
    yield "nan_y", [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, NAN, 4.0]
    yield "inf", [1.0, INF, 3.0, 4.0, 2.0], [1.0, 2.0, 3.0, 5.0, 4.0]
    yield "both_inf", [1.0, INF, 3.0, -INF, INF], [1.0, 2.0, 3.0, 5.0, 4.0]
    yield "signed_zero", [0.0, -0.0, 1.0, -1.0, 0.0], [1.0, 2.0, -0.0, 0.0, 3.0]
    yield "scipy_docs", [12.0, 2.0, 1.0, 12.0, 2.0], [1.0, 4.0, 7.0, 1.0, 0.0]
    yield "huge", [5e210, -5e210, 3e200, -3e200, 1e305], [1.0, 2.0, 3.0, 4.0, -5.0]
    yield "tiny", [5e-310, -5e-310, 3e-312, -3e-300, 1e-305], [1.0, 2.0, 3.0, 4.0, -5.0]
    yield "offset", [1e9 + v for v in normal(40)], normal(40)
    for n in (6, 7, 10, 33, 34, 60):
        yield f"normal_{n}", normal(n), normal(n)
    x = normal(33)
    yield "related_33", x, [a + 0.3 * b for a, b in zip(x, normal(33))]
    x = normal(33)
    x[3] = x[17]
    yield "one_tie_33", x, normal(33)
    for n in (40, 180):
        up = [float(i) for i in range(n)]
        swapped = up[:5] + [up[6], up[5]] + up[7:]
        yield f"sorted_{n}", up, [v * v for v in up]
        yield f"swap_{n}", up, swapped
        yield f"reversed_swap_{n}", up, swapped[::-1]
        yield f"two_swaps_{n}", up, [up[1], up[0]] + swapped[2:]
    for levels in (2, 3, 8):
        for n in (9, 100):
            x = rng.integers(0, levels, n)
            y = x + rng.integers(0, levels, n)
            yield f"ties_{levels}_{n}", x.astype(float).tolist(), y.astype(float).tolist()
    x = normal(400)
    yield "strong_400", x, [a + 0.05 * b for a, b in zip(x, normal(400))]


FORMULAS = [  # name, seed, n, levels, noise
    ("benchmark_heavy_ties", 1, 15625, 500, 40),
    ("benchmark_binary", 2, 15625, 2, 2),
    ("benchmark_few_ties", 3, 15625, 1 << 30, 1 << 27),
    ("benchmark_weak", 4, 15625, 50, 3000),
    ("benchmark_unrelated", 5, 15625, 1, 100000),
    ("representatives", 6, 6466, 700, 300),
    ("radix_edge_255", 7, 255, 90, 20),
    ("radix_edge_256", 8, 256, 90, 20),
]


def correlations():
    for name, x, y in small_samples():
        yield {"name": name, "x": x, "y": y, **correlate(x, y)}
    for name, seed, n, levels, noise in FORMULAS:
        x, y = formula_sample(seed, n, levels, noise)
        yield {"name": name, "formula": [seed, n, levels, noise], **correlate(x, y)}


def rank_cases():
    for x in ([], [7.0], [3.0, 1.0, 2.0], [2.0, 2.0, 1.0, 2.0, 5.0, 5.0],
              [INF, -INF, 0.0, INF], [0.0, -0.0, 1.0], [1.0, NAN, 2.0]):
        ranks = [NAN] * len(x) if any(map(math.isnan, x)) else average_ranks(x).tolist()
        yield {"x": x, "ranks": ranks}


def whiskers(x, q1, q3):
    """matplotlib.cbook.boxplot_stats with whis=1.5."""
    x, reach = np.asarray(x), 1.5 * (q3 - q1)
    high, low = x[x <= q3 + reach], x[x >= q1 - reach]
    high = q3 if len(high) == 0 or high.max() < q3 else high.max()
    low = q1 if len(low) == 0 or low.min() > q1 else low.min()
    return [float(low), float(high)]


def quantile_cases():
    rng = np.random.default_rng(7)
    qs = [0.0, 0.025, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 0.975, 1.0]
    for x in ([4.0], [1.0, 2.0], [3.0, 3.0, 3.0], [1.0, 2.0, 3.0, 4.0], [5.0, 1.0, 1.0, 9.0, 100.0],
              [-100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 80.0], [0.0] * 9 + [1.0],
              rng.standard_normal(37).tolist(), rng.standard_cauchy(50).tolist()):
        q1, q2, q3 = np.quantile(x, [0.25, 0.5, 0.75]).tolist()
        yield {"x": x, "q": qs, "quantiles": np.quantile(x, qs).tolist(), "iqr": float(stats.iqr(x)),
               "box": [q1, q2, q3] + whiskers(x, q1, q3)}


def wasserstein_cases():
    rng = np.random.default_rng(8)
    for x, y in (([1.0], [1.0]), ([0.0], [5.0]), ([0.0, 1.0, 3.0], [5.0, 6.0, 8.0]),
                 ([1.0, 1.0, 2.0], [2.0, 1.0]), ([0.0, 0.0], [0.0, 0.0, 4.0]),
                 ([-3.0, 7.5, 2.0, 2.0], [2.0, 2.0, -3.0, 7.5]),
                 (rng.standard_normal(31).tolist(), rng.standard_normal(50).tolist()),
                 (rng.integers(0, 5, 40).astype(float).tolist(), rng.integers(2, 7, 23).astype(float).tolist())):
        yield {"x": x, "y": y, "distance": float(stats.wasserstein_distance(x, y))}


def hypergeometric_cases():
    for at_least, population, marked, draws in (
            (0, 10, 3, 4), (1, 10, 3, 4), (2, 10, 3, 4), (3, 10, 3, 4), (4, 10, 3, 4), (2, 5, 4, 3),
            (3, 5, 4, 3), (1, 1, 1, 1), (5, 20, 10, 10), (2, 15625, 156, 156), (1, 15625, 156, 156),
            (60, 15625, 156, 156), (156, 15625, 156, 156), (30, 15625, 781, 781), (39, 15625, 781, 781),
            (40, 15625, 781, 781), (400, 15625, 781, 781), (781, 15625, 781, 781), (330, 6466, 323, 323)):
        low = max(at_least, 0, draws + marked - population)
        ways = sum(math.comb(marked, i) * math.comb(population - marked, draws - i)
                   for i in range(low, min(marked, draws) + 1))
        p = mpmath.mpf(ways) / math.comb(population, draws)
        yield {"args": [at_least, population, marked, draws],
               "p": float(stats.hypergeom.sf(at_least - 1, population, marked, draws)), "log10_p": log10(p)}


def overlap_cases():
    for seed, n, levels, noise in ((11, 15625, 500, 40), (12, 200, 10, 4), (13, 30, 3, 2)):
        x, y = map(np.array, formula_sample(seed, n, levels, noise))
        for k in (1, n // 20, n // 2, n):
            for end, sign in (("smallest", 1), ("largest", -1)):
                tops = [set(np.argsort(sign * v, kind="stable")[:k].tolist()) for v in (x, y)]
                count = len(tops[0] & tops[1])
                yield {"formula": [seed, n, levels, noise], "k": k, "end": end, "count": count}


def tails():
    for z in (0.0, 1e-9, 0.5, 1.96, 4.999, 5.0, 5.001, 8.0, 38.0, 160.0, 1e4):
        yield {"z": z, "log10_p": log10(mpmath.erfc(mpmath.mpf(z) / mpmath.sqrt(2)))}


def quantiles_of_normal():
    for p in (1e-300, 1e-20, 0.001, 0.025, 0.3, 0.5, 0.7, 0.975, 1 - 1e-10):
        yield {"p": p, "z": float(scipy.special.ndtri(p))}


def plain(value):
    """Replaces what JSON has no number for."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def main():
    sections = {
        "correlations": correlations, "ranks": rank_cases, "quantiles": quantile_cases,
        "wasserstein": wasserstein_cases, "hypergeometric": hypergeometric_cases,
        "overlap": overlap_cases, "normal_tails": tails, "normal_quantiles": quantiles_of_normal,
    }
    golden = {"scipy": scipy.__version__, "numpy": np.__version__, "mpmath": mpmath.__version__}
    golden.update({name: plain(list(make())) for name, make in sections.items()})
    lines = []
    for name, value in golden.items():
        if isinstance(value, list):
            rows = ",\n".join("  " + json.dumps(row, allow_nan=False) for row in value)
            lines.append(f"{json.dumps(name)}: [\n{rows}\n]")
        else:
            lines.append(f"{json.dumps(name)}: {json.dumps(value)}")
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
