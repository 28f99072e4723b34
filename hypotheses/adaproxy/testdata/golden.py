#!/usr/bin/python3
"""Writes golden.json: adaptations solved without this project's code.

    /usr/bin/python3 golden.py MIRROR

MIRROR is the folder with oneproxy/*.pickle. NumPy 1.24, SciPy 1.10 (Debian 12).

Penalty l2: a and c are not projected out; b, a and c solve one least-squares
problem with ridge rows (scipy.linalg.lstsq), and the ridge is found by brentq.
Penalty l1: L-BFGS-B on b = p - q with p, q >= 0, from several starts.
Each solution is tried against random steps, none of which may improve it.
"""
import json
import pickle
import sys

import numpy as np
from scipy import linalg, optimize, stats

LAMBDAS = np.logspace(-5, 0, 9)


def objective(z, y, lam, b, a, c, norm):
    r = z @ (b + a) + c - y
    return r @ r / len(y) + lam * np.linalg.norm(b, norm)


def free(z, y, b):
    """The best a and c for a given b."""
    m = np.c_[z.sum(1), np.ones(len(y))]
    return linalg.lstsq(m, y - z @ b)[0]


def euclidean(z, y, lam):
    n, k = z.shape
    m = np.c_[z, z.sum(1), np.ones(n)]

    def solve(ridge):
        top = np.r_[m, np.c_[np.sqrt(ridge) * np.eye(k), np.zeros((k, 2))]]
        return linalg.lstsq(top, np.r_[y, np.zeros(k)], cond=1e-15)[0]

    zero = np.zeros(k)
    a, c = free(z, y, zero)
    gradient = z.T @ (z.sum(1) * a + c - y)
    if np.linalg.norm(gradient) <= n * lam / 2:
        return zero, a, c

    def excess(log):
        return np.exp(log) * np.linalg.norm(solve(np.exp(log))[:k]) - n * lam / 2

    v = solve(np.exp(optimize.brentq(excess, -40, 40, xtol=1e-14, rtol=1e-14)))
    return v[:k], v[k], v[k + 1]


def absolute(z, y, lam):
    n, k = z.shape
    q, _ = linalg.qr(np.c_[z.sum(1), np.ones(n)], mode="economic")
    a_, r_ = z - q @ (q.T @ z), y - q @ (q.T @ y)

    def f(v):
        b = v[:k] - v[k:]
        r = a_ @ b - r_
        g = 2 * a_.T @ r / n
        return r @ r / n + lam * v.sum(), np.r_[g + lam, lam - g]

    best = None
    for seed in range(3):
        start = np.abs(np.random.default_rng(seed).normal(size=2 * k)) * 0.1
        for _ in range(40):
            s = optimize.minimize(f, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * (2 * k),
                                  options={"maxiter": 20000, "maxfun": 200000, "ftol": 1e-16, "gtol": 1e-13, "maxcor": 60})
            start = s.x
        if best is None or s.fun < best.fun:
            best = s
    b = best.x[:k] - best.x[k:]
    a, c = free(z, y, b)
    return b, a, c


def tried(z, y, lam, b, a, c, norm):
    """The objective, which random steps must not improve."""
    value = objective(z, y, lam, b, a, c, norm)
    rng = np.random.default_rng(5)
    for size in (1e-1, 1e-3, 1e-5):
        for _ in range(300):
            step = rng.normal(size=len(b) + 2) * size
            other = objective(z, y, lam, b + step[:-2], a + step[-2], c + step[-1], norm)
            assert other >= value * (1 - 1e-9), (other, value)
    return value


def problems():
    rng = np.random.default_rng(11)
    for n, zeros in ((12, 0), (30, 3), (60, 0)):
        cells = rng.integers(0, 5, size=(n, 6))
        x = np.zeros((n, 31))
        for e in range(6):
            x[np.arange(n), 5 * e + cells[:, e]] = 1
        x[:, 30] = 1
        w = rng.normal(size=31)
        w[:zeros] = 0
        y = x @ rng.normal(size=31) + 0.1 * rng.normal(size=n)
        y /= y.std()
        for lam in (1e-4, 1e-2, 0.3, 10.0):
            for norm, solve in ((2, euclidean), (1, absolute)):
                z = x * w
                b, a, c = solve(z, y, lam)
                yield {"cells": cells.tolist(), "w": w.tolist(), "y": y.tolist(), "lambda": lam, "norm": norm,
                       "objective": tried(z, y, lam, b, a, c, norm), "prediction": (z @ (a + b) + c).tolist()}


def tidied(p):
    return np.round(p / np.abs(p).max() * 1e9)


def rho(p, y):
    return stats.spearmanr(tidied(p), y)[0]


def real(folder):
    def read(name):
        return np.array(pickle.load(open(f"{folder}/oneproxy/{name}.pickle", "rb")), float)

    x = read("encode")
    proxy = read("true_vpu")
    w = np.linalg.pinv(x, rcond=1e-8) @ proxy
    out = {"w": w.tolist(), "proxy_fit": rho(x @ w, proxy), "adaptations": []}
    for target in ("rice_pixel3", "rice_edgetpu", "true_630"):
        y = read(target)
        seen = np.flatnonzero(y != -1)
        for seed in (0, 1):
            drawn = np.random.default_rng(seed).permutation(seen)[:70]
            train, validation, unseen = drawn[:60], drawn[60:], np.setdiff1d(seen, drawn)
            scale = y[train].std()
            best = None
            for lam in LAMBDAS[::-1]:
                b, a, c = euclidean(x[train] * w, y[train] / scale, lam)
                p = x @ (w * (a + b)) + c
                key = (rho(p[validation], y[validation]), rho(p[train], y[train]))
                if best is None or key > best[0]:
                    best = (key, lam, rho(p[unseen], y[unseen]))
            fitted = x[seen] @ (np.linalg.pinv(x[seen], rcond=1e-8) @ y[seen])
            out["adaptations"].append({
                "target": target, "train": train.tolist(), "validation": validation.tolist(), "lambda": best[1],
                "validation_rho": best[0][0], "train_rho": best[0][1], "adapted": best[2],
                "before": rho(x[unseen] @ w, y[unseen]), "ceiling": rho(fitted, y[seen])})
    return out


if __name__ == "__main__":
    with open("golden.json", "w") as f:
        json.dump({"problems": list(problems()), "real": real(sys.argv[1])}, f)
        f.write("\n")
