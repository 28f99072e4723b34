#!/usr/bin/env python3
"""Writes files as Satellite's are, smaller, and what NumPy makes of them.

    /usr/bin/python3 fixture.py FOLDER      (NumPy 1.24.2)

train.npy and test.npy are dicts in arrays of objects; train-2.npy is the same with
other types, in Fortran order, by pickle protocol 2. Nothing here is of nbpipe.
"""
import os
import pickle
import sys

import numpy as np

rng = np.random.default_rng(24)
os.chdir(sys.argv[1])


def series(n):
    return np.cumsum(rng.normal(10, 30, (n, 46)), axis=1)


train, test = series(40), series(7)
train[5] = 3.7  # a series that does not vary
train_labels, test_labels = rng.integers(1, 25, 40), rng.integers(1, 25, 7)
train_labels[:2] = 1, 24
np.save("train.npy", {"data": train, "label": train_labels})
np.save("test.npy", {"data": test, "label": test_labels})

# numpy.save of an array of objects, protocol 2, by hand: the header and the pickle.
with open("train-2.npy", "wb") as f:
    a = np.empty((), dtype=object)
    a[()] = {"label": train_labels.astype(np.int32).astype(float), "data": np.asfortranarray(train)}
    np.lib.format.write_array_header_1_0(f, {"descr": "|O", "fortran_order": False, "shape": ()})
    pickle.dump(a, f, protocol=2)

both = np.concatenate([train, test])
deviation = both.std(axis=1, keepdims=True)
deviation[5] = np.inf
np.save("inputs.npy", np.float32((both - both.mean(axis=1, keepdims=True)) / deviation))
np.save("labels.npy", np.uint8(np.concatenate([train_labels, test_labels]) - 1))
for name, data in dict(list=[1], text={"data": "a", "label": "b"}, short={"data": train, "label": test_labels},
                       labels={"data": test, "label": np.full(7, 25)}, nan={"data": np.full((40, 46), np.nan), "label": train_labels},
                       other={"data": train[:, :40], "label": train_labels}, flat={"data": train[:, 0], "label": train_labels}).items():
    np.save("bad-%s.npy" % name, np.array(data) if name == "list" else data)
