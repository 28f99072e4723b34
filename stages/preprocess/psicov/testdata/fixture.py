#!/usr/bin/env python3
"""Writes an archive as PSICOV's is, smaller, and what NumPy makes of it.

    /usr/bin/python3 fixture.py FOLDER      (NumPy 1.24.2)

Features by pickle protocols 2 and 4, of float64, float32 and text, in C and Fortran
order; distances as numpy.save writes a tuple. seen-x.npy and seen-y.npy are the first
test protein as PDNET's loader and NAS-Bench-360's give it to a network: channels,
border, clipping. Nothing here is of nbpipe.
"""
import io
import os
import pickle
import sys
import zipfile

import numpy as np

rng = np.random.default_rng(57)
os.chdir(sys.argv[1])


def features(l, plain=True):
    f = {"seq": "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), l)), "ss": rng.random((3, l)), "pssm": rng.normal(size=(l, 22)), "sa": rng.random(l),
         "entropy": rng.random(l), "ccmpred": rng.random((l, l)), "freecon": rng.normal(size=(l, l)), "potential": rng.normal(size=(l, l))}
    if not plain:
        f["entropy"] = np.array(["%.6f" % v for v in f["entropy"]])
        f["pssm"] = np.asfortranarray(f["pssm"].astype("f4"))
        f["ccmpred"] = np.asfortranarray(f["ccmpred"])
        f["freecon"][0, 1] = np.nan
    return f


def distances(l, dtype):
    y = rng.random((l, l)) * 30
    y = (y + y.T) / 2
    np.fill_diagonal(y, 0)
    return y.astype(dtype)


def stack(f):
    """PDNET: for each feature of a residue the column's, then the row's."""
    l = len(f["seq"])
    x = np.zeros((l, l, 57))
    rows = [f["ss"][j] for j in range(3)] + [f["pssm"][:, j] for j in range(22)] + [f["sa"], f["entropy"]]
    for k, v in enumerate(rows):
        a = np.repeat(np.asarray(v, dtype=float).reshape(1, l), l, axis=0)
        x[:, :, 2 * k], x[:, :, 2 * k + 1] = a, a.T
    for k, name in enumerate(("ccmpred", "freecon", "potential")):
        x[:, :, 54 + k] = f[name]
    return x


def mapped(y):
    l, y = len(y), y.copy()
    y[y < 1.0] = 1.0
    y[0, 0], y[l - 1, l - 1] = y[0, 1], y[l - 1, l - 2]
    for q in range(1, l - 1):
        y[q, q] = (y[q, q - 1] + y[q, q + 1]) / 2.0
    return y


def padded(f, y, side=128, pad=10, t=16.0):
    x, y = stack(f), mapped(y)
    l = len(x) + pad
    xx, yy = np.zeros((side, side, 57)), np.full((side, side), 100.0)
    xx[5:l - 5, 5:l - 5], yy[5:l - 5, 5:l - 5] = x, y
    yy[yy > t] = t
    return np.nan_to_num(xx.astype(np.float32), nan=0.0).transpose(2, 0, 1), np.nan_to_num(yy.astype(np.float32), nan=0.0)


LISTS = {"deepcov": ["12asA", "16pkA", "1a04A", "1abcA", "1xyzA"], "psicov": ["1a3aA", "1a6mA"]}
LENGTHS = dict(zip(LISTS["deepcov"] + LISTS["psicov"], (9, 20, 6, 2, 33, 27, 130)))
proteins = {}
for folder, names in LISTS.items():
    for i, name in enumerate(names):
        f, y = features(LENGTHS[name], i % 2 == 0), distances(LENGTHS[name], "f4" if i == 1 else "f8")
        proteins[name] = f, y


def member(z, path, data):
    z.writestr(path, data, zipfile.ZIP_DEFLATED)


def save(y, seq):
    three = np.empty(3, dtype=object)
    three[:] = [len(y), seq, y]
    f = io.BytesIO()
    np.save(f, three, allow_pickle=True)
    return f.getvalue()


def archive(path, change=None):
    with zipfile.ZipFile(path, "w") as z:
        for folder, names in LISTS.items():
            member(z, folder + ".lst", "".join("%s %d\n" % (n, LENGTHS[n]) for n in names))
            for i, n in enumerate(names):
                f, y = proteins[n]
                if change and n == "1a6mA":
                    f, y = change(dict(f), y.copy())
                member(z, "%s/features/%s.pkl" % (folder, n), pickle.dumps(f, 2 if i % 2 else 4))
                member(z, "%s/distance/%s-cb.npy" % (folder, n), save(y, f["seq"]) if isinstance(f, dict) else b"x")


archive("protein.zip")
order = LISTS["deepcov"][2:] + LISTS["deepcov"][:2] + LISTS["psicov"]  # 2 for validation
both = [proteins[n] for n in order]
np.save("lengths.npy", np.array([LENGTHS[n] for n in order], "i4"))
np.save("sequence.npy", np.concatenate([np.concatenate([f["ss"].T, f["pssm"], f["sa"][:, None], f["entropy"].astype(float)[:, None]], axis=1) for f, _ in both]).astype("f4"))
np.save("maps.npy", np.nan_to_num(np.concatenate([np.stack([f[k] for k in ("ccmpred", "freecon", "potential")], -1).reshape(-1, 3) for f, _ in both]).astype("f4"), nan=0.0))
np.save("targets.npy", np.minimum(np.concatenate([mapped(y).ravel() for _, y in both]), 16).astype("f4"))
x, y = padded(*proteins["1a3aA"])
np.save("seen-x.npy", x)
np.save("seen-y.npy", y)


def nan(f, y):
    y[3, 4] = np.nan
    return f, y


archive("bad-nan.zip", nan)
archive("bad-length.zip", lambda f, y: (f, y[1:, 1:]))
archive("bad-key.zip", lambda f, y: ({k: v for k, v in f.items() if k != "sa"}, y))
archive("bad-shape.zip", lambda f, y: (dict(f, pssm=f["pssm"].T), y))
archive("bad-infinite.zip", lambda f, y: (dict(f, sa=f["sa"] * np.inf), y))
archive("bad-text.zip", lambda f, y: (dict(f, entropy=np.array(["x"] * len(f["seq"]))), y))
archive("bad-seq.zip", lambda f, y: (dict(f, seq="A"), y))
archive("bad-list.zip", lambda f, y: ([1], y))
