#!/usr/bin/env python3
"""Writes files as Spherical CIFAR-100's is, smaller, and what NumPy makes of them.

    /usr/bin/python3 fixture.py FOLDER      (NumPy 1.24.2)

By pickle protocols 2 and 4, of bytes and of float64 in Fortran order. Nothing here is
of nbpipe.
"""
import gzip
import os
import pickle
import sys

import numpy as np

rng = np.random.default_rng(60)
os.chdir(sys.argv[1])


def write(path, value, protocol):
    with gzip.open(path, "wb") as f:
        pickle.dump(value, f, protocol=protocol)


def part(n):
    return {"images": rng.integers(0, 256, (n, 3, 60, 60)).astype("u1"), "labels": rng.integers(0, 100, n)}


train, test = part(11), part(3)
write("bytes-2.gz", {"train": train, "test": test}, 2)
write("bytes-4.gz", {"train": dict(train, labels=train["labels"].astype("u1")), "test": test}, 4)
images = np.concatenate([train["images"], test["images"]])
np.save("inputs.npy", images)
np.save("labels.npy", np.concatenate([train["labels"], test["labels"]]))

floats = {k: dict(v, images=np.asfortranarray(v["images"] / 7), labels=v["labels"].astype("f8")) for k, v in (("train", train), ("test", test))}
write("floats-4.gz", floats, 4)
write("floats-2.gz", floats, 2)
np.save("floats.npy", np.concatenate([floats["train"]["images"], floats["test"]["images"]]).astype(np.float32))

write("bad-part.gz", {"train": train}, 4)
write("bad-list.gz", [train], 4)
write("bad-shape.gz", {"train": train, "test": dict(test, images=test["images"][:, :1])}, 4)
write("bad-label.gz", {"train": train, "test": dict(test, labels=test["labels"] + 0.5)}, 4)
nan = test["images"] / 1.0
nan[1, 2, 3, 4] = np.nan
write("bad-nan.gz", {"train": train, "test": dict(test, images=nan)}, 4)
