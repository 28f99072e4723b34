#!/usr/bin/env python3
"""Writes files as NinaPro's are, smaller, and what NumPy makes of them.

    /usr/bin/python3 fixture.py FOLDER      (NumPy 1.24.2)

Of float64, one in Fortran order, labels of float64 and int64. seen.npy is what the
repository's loader gives to networks. Nothing here is of nbpipe.
"""
import os
import sys

import numpy as np

rng = np.random.default_rng(18)
os.chdir(sys.argv[1])
data = {name: rng.normal(0, 1e-5, (n, 52, 16)) for name, n in (("train", 9), ("val", 4), ("test", 5))}
labels = {name: rng.integers(0, 18, len(v)) for name, v in data.items()}
labels["train"][:2] = 0, 17
data["val"] = np.asfortranarray(data["val"])
labels["test"] = labels["test"].astype("f8")
for name in data:
    np.save("ninapro_%s.npy" % name, data[name])
    np.save("label_%s.npy" % name, labels[name])
both = np.concatenate([data["train"], data["val"], data["test"]])
np.save("inputs.npy", both.astype(np.float32))
np.save("labels.npy", np.concatenate([labels["train"], labels["val"], labels["test"]]))
np.save("seen.npy", np.transpose(both, (0, 2, 1))[:, None].astype(np.float32))
np.save("bad-shape.npy", data["test"].transpose(0, 2, 1))
np.save("bad-nan.npy", data["test"] * np.nan)
np.save("bad-label.npy", labels["test"] + 17.5)
np.save("bad-count.npy", labels["train"])
