#!/usr/bin/env python3
"""Writes archives as DeepSEA's is, smaller, and what NumPy makes of them.

    /usr/bin/python3 fixture.py FOLDER      (NumPy 1.24.2)

The types and orders in which such arrays are found: uint8, deflated; float64; labels
in Fortran order, as those that were transposed; sequences in Fortran order.
"""
import os
import sys

import numpy as np

rng = np.random.default_rng(36)
os.chdir(sys.argv[1])
counts = dict(train=9, val=3, test=5)
x = {k: np.eye(4)[rng.integers(0, 4, (n, 50))] for k, n in counts.items()}
x["train"][0, 7] = 0  # an unknown base
y = {k: rng.integers(0, 2, (n, 36)) for k, n in counts.items()}


def save(name, x_type, y_type, order, save=np.savez):
    arrays = {"x_" + k: np.array(v, x_type, order=order) for k, v in x.items()}
    arrays |= {"y_" + k: np.array(v, y_type, order="F") for k, v in y.items()}
    save(name, **arrays)


save("uint8.npz", np.uint8, np.uint8, "C", np.savez_compressed)
save("float64.npz", np.float64, np.int64, "C")
save("fortran.npz", np.float32, np.float32, "F")
np.save("inputs.npy", np.float32(np.concatenate([x[k].transpose(0, 2, 1) for k in counts])))
np.save("targets.npy", np.uint8(np.concatenate([y[k] for k in counts])))

good = {"x_" + k: np.uint8(v) for k, v in x.items()} | {"y_" + k: v for k, v in y.items()}
bad = dict(missing={k: v for k, v in good.items() if k != "y_val"}, targets=good | {"y_test": y["test"] * 2},
           shape=good | {"x_val": x["val"][:, :, :3]}, bases=good | {"x_val": x["val"][:, :40]}, samples=good | {"y_test": y["train"]},
           nan=good | {"x_test": x["test"] * np.nan}, objects=good | {"x_train": np.array([None, 1], object)})
for name, arrays in bad.items():
    np.savez("bad-%s.npz" % name, **arrays)
