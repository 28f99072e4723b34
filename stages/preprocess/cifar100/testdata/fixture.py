#!/usr/bin/env python3
"""Writes archives as CIFAR-100's is, smaller, and what NumPy makes of them.

    /usr/bin/python3 fixture.py FOLDER      (NumPy 1.24.2)

The pickles are as Python 2 writes them (protocol 2, str for text and bytes), as those
of the home page are; in python3.tar.gz they are of Python 3, protocol 4. Nothing here is
of nbpipe.
"""
import io
import os
import pickle
import struct
import sys
import tarfile

import numpy as np

rng = np.random.default_rng(100)
os.chdir(sys.argv[1])


class Python2(pickle._Pickler):
    dispatch = dict(pickle._Pickler.dispatch)

    def save_str(self, v):
        raw = v.encode("latin1") if isinstance(v, str) else v
        self.write(b"U" + bytes([len(raw)]) + raw if len(raw) < 256 else b"T" + struct.pack("<i", len(raw)) + raw)
        self.memoize(v)

    dispatch[str] = dispatch[bytes] = save_str


def python2(value):
    f = io.BytesIO()
    Python2(f, 2).dump(value)
    return f.getvalue()


def batch(n, name):
    return {"filenames": ["%s_%06d.png" % (name, i) for i in range(n)], "batch_label": "training batch 1 of 1", "fine_labels": rng.integers(0, 100, n).tolist(),
            "coarse_labels": rng.integers(0, 20, n).tolist(), "data": rng.integers(0, 256, (n, 3072)).astype("u1")}


def archive(path, dump, train, test, mode="w:gz"):
    with tarfile.open(path, mode) as f:
        for name, value in (("file.txt~", b""), ("test", dump(test)), ("train", dump(train)), ("meta", dump({"fine_label_names": ["apple"]}))):
            info = tarfile.TarInfo("cifar-100-python/" + name)
            info.size = len(value)
            f.addfile(info, io.BytesIO(value))


train, test = batch(23, "a"), batch(7, "b")
train["fine_labels"][0] = 99
archive("python2.tar.gz", python2, train, test)
archive("python3.tar.gz", lambda v: pickle.dumps(v, 4), dict(train, fine_labels=np.array(train["fine_labels"])), test)
# What the loader makes of it: 3 x 32 x 32 by ToTensor and Normalize.
images = np.concatenate([train["data"], test["data"]]).reshape(-1, 3, 32, 32)
np.save("inputs.npy", images)
np.save("labels.npy", np.array(train["fine_labels"] + test["fine_labels"], "u1"))
mean, std = np.array([0.5071, 0.4867, 0.4408]), np.array([0.2675, 0.2565, 0.2761])
np.save("seen.npy", (images / 255 - mean[:, None, None]) / std[:, None, None])

archive("bad-plain.tar.gz", python2, train, test, "w")
archive("bad-label.tar.gz", python2, train, dict(test, fine_labels=[100] * 7))
archive("bad-count.tar.gz", python2, train, dict(test, fine_labels=[1] * 6))
archive("bad-shape.tar.gz", python2, train, dict(test, data=test["data"][:, :3000]))
archive("bad-keys.tar.gz", python2, train, {"images": 1})
archive("bad-list.tar.gz", python2, train, [1])
archive("bad-code.tar.gz", lambda v: b"cos\nsystem\n(S'x'\ntR.", train, test)
with tarfile.open("bad-empty.tar.gz", "w:gz"):
    pass
