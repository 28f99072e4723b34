#!/usr/bin/env python3
"""Darcy flow by NumPy and SciPy alone: what the Go code is checked against.

    /usr/bin/python3 darcy.py golden > golden.json   (SciPy 1.10.1)
    /usr/bin/python3 darcy.py check FOLDER           reads coeff.npy and sol.npy

The field is scipy.fft.idctn of deviates times weights, the operator a sparse
matrix put together face by face, the solution scipy.sparse.linalg.spsolve's.
`check` solves for every coefficient again and prints as JSON what the files hold
and by how much they differ, relative to the solution's Euclidean norm.
"""
import json
import os
import sys

import numpy as np
import scipy.fft
import scipy.sparse as sparse
import scipy.sparse.linalg

MASK = (1 << 64) - 1


def deviates(seed, n):
    """n * n numbers in [-2, 2): Knuth's MMIX generator, as in golden_test.go."""
    state, out = seed, []
    for _ in range(n * n):
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        out.append((state >> 33) / 2**29 - 2)
    return np.array(out).reshape(n, n)


def field(xi):
    """The Gaussian random field of deviates, one for each mode."""
    k = np.arange(len(xi))
    weights = 1 / (np.pi**2 * (k[:, None] ** 2 + k[None, :] ** 2) + 9)
    weights[0, 0] = 0
    return scipy.fft.idctn(xi * weights, type=2, norm="ortho")


def coefficient(values):
    return np.where(values >= 0, 12.0, 3.0)


def operator(a):
    """-div(a grad) on the inner nodes, as a sparse matrix."""
    n = len(a)
    m = n - 2
    h2 = (1 / (n - 1)) ** 2
    number = -np.ones((n, n), dtype=int)
    number[1:-1, 1:-1] = np.arange(m * m).reshape(m, m)
    rows, columns, values = [], [], []
    for di, dj in ((0, 1), (1, 0)):
        here = number[: n - di, : n - dj].ravel()
        there = number[di:, dj:].ravel()
        face = ((a[: n - di, : n - dj] + a[di:, dj:]) / 2).ravel() / h2
        for p, q in ((here, there), (there, here)):
            inner = p >= 0
            rows.append(p[inner]), columns.append(p[inner]), values.append(face[inner])
            both = inner & (q >= 0)
            rows.append(p[both]), columns.append(q[both]), values.append(-face[both])
    shape = (m * m, m * m)
    return sparse.csc_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape)


def solve(a):
    """The solution for f = 1, with the border's zeros."""
    u = np.zeros_like(a)
    matrix = operator(a)
    u[1:-1, 1:-1] = scipy.sparse.linalg.spsolve(matrix, np.ones(matrix.shape[0])).reshape(len(a) - 2, -1)
    return u


def golden():
    """Cases; every stride-th node of both arrays is kept."""
    cases = []
    for n, seed, stride in ((3, 2, 1), (5, 1, 1), (12, 4, 1), (32, 3, 1), (85, 5, 6), (142, 6, 47)):
        g = field(deviates(seed, n))
        u = solve(coefficient(g))
        cases.append({
            "n": n, "seed": seed, "stride": stride, "high": int((g >= 0).sum()),
            "field": g[::stride, ::stride].ravel().tolist(), "field_norm": float(np.linalg.norm(g)),
            "solution": u[::stride, ::stride].ravel().tolist(), "solution_norm": float(np.linalg.norm(u)),
        })
    json.dump(cases, sys.stdout, indent=None, separators=(",", ":"))
    print()


def check(folder):
    a = np.load(os.path.join(folder, "coeff.npy"))
    u = np.load(os.path.join(folder, "sol.npy"))
    worst = 0.0
    for one, got in zip(a, u):
        want = solve(one.astype("float64"))
        worst = max(worst, float(np.linalg.norm(got - want) / np.linalg.norm(want)))
    json.dump({
        "shape": list(a.shape), "dtype": str(a.dtype), "solution_shape": list(u.shape), "solution_dtype": str(u.dtype),
        "values": sorted(set(a.ravel().tolist())), "sum": float(u.sum(dtype="float64")), "worst": worst,
    }, sys.stdout)
    print()


if __name__ == "__main__":
    golden() if sys.argv[1:] == ["golden"] else check(sys.argv[2])
