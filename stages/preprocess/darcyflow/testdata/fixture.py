#!/usr/bin/env python3
"""Writes files as those of Darcy flow are, smaller, and what NumPy makes of them.

    /usr/bin/python3 fixture.py FOLDER      (NumPy 1.24.2, SciPy 1.10.1, h5py 3.7)

Version 5 as SciPy writes it, compressed and not; version 7.3 as MATLAB does: HDF5 in
deflated chunks behind 512 bytes, axes in reverse order. inputs.npy and targets.npy are
what the repository's loader reads; seen.npy is the training part's first samples as
networks get them. Nothing here is of nbpipe.
"""
import os
import sys

import h5py
import numpy as np
import scipy.io

rng = np.random.default_rng(421)
os.chdir(sys.argv[1])
SIDE, STEP = 31, 5


def data(n):
    return {"coeff": np.where(rng.normal(size=(n, SIDE, SIDE)) > 0, 12.0, 3.0), "sol": rng.normal(size=(n, SIDE, SIDE)) / 100, "Kcoeff": rng.normal(size=(n, 3))}


def seven(path, values, chunks):
    with h5py.File(path, "w", userblock_size=512) as f:
        for key, v in values.items():
            d = f.create_dataset(key, data=v.T, chunks=chunks if v.ndim == 3 else None, compression="gzip" if v.ndim == 3 else None)
            d.attrs["MATLAB_class"] = np.bytes_("double")
    with open(path, "r+b") as f:
        f.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Thu Jan  1 00:00:00 1970 HDF5 schema 1.00 .".ljust(124) + b"\0\2IM")


def read(path, key):
    """The repository's reader: SciPy, and where that fails h5py with axes reversed."""
    try:
        return scipy.io.loadmat(path)[key].astype(np.float32)
    except NotImplementedError:
        with h5py.File(path, "r") as f:
            return np.transpose(f[key][()], (2, 1, 0)).astype(np.float32)


train, test = data(14), data(6)
for name, values in (("train", train), ("test", test)):
    scipy.io.savemat(name + "-5.mat", values)
    scipy.io.savemat(name + "-5z.mat", values, do_compression=True)
seven("train-73.mat", train, (4, 7, 5))
seven("test-73.mat", test, (31, 1, 6))
for key, name in (("coeff", "inputs"), ("sol", "targets")):
    for version in ("5", "5z", "73"):
        a, b = read("train-%s.mat" % version, key), read("test-%s.mat" % version, key)
        whole = np.concatenate([a[:10, ::STEP, ::STEP], a[10:13, ::STEP, ::STEP], b[:4, ::STEP, ::STEP]])
        if version != "5":
            assert (whole == np.load(name + ".npy")).all()
        np.save(name + ".npy", whole)

# As networks see the training samples: normalised (torch.std: n - 1), and a grid.
x = np.load("inputs.npy")[:10].astype("f8")
x = (x - x.mean(0)) / (x.std(0, ddof=1) + 1e-5)
side = x.shape[1]
line = np.linspace(0, 1, side)
grid = np.stack(np.meshgrid(line, line))
np.save("seen.npy", np.concatenate([x[:, None], np.repeat(grid[None], 10, 0)], axis=1))

scipy.io.savemat("bad-flat.mat", {"coeff": np.zeros((14, 31)), "sol": np.zeros((14, 31))})
scipy.io.savemat("bad-other.mat", {"coeff": np.zeros((6, 30, 31)), "sol": np.zeros((6, 30, 31))})
scipy.io.savemat("bad-none.mat", {"sol": np.zeros((6, 31, 31))})
scipy.io.savemat("bad-nan.mat", {"coeff": test["coeff"], "sol": np.where(np.arange(31) == 5, np.nan, test["sol"])})
scipy.io.savemat("bad-complex.mat", {"coeff": test["coeff"] * 1j, "sol": test["sol"]})
