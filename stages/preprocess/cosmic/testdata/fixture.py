#!/usr/bin/env python3
"""Writes archives as Cosmic's are, smaller, and what NumPy makes of them.

    /usr/bin/python3 fixture.py FOLDER      (NumPy 1.24.2)

Two filters with two visits each, files out of order, one folder without sky.npy, one
image without a plane to ignore, types float32 and float64. Nothing here is of nbpipe.
"""
import io
import os
import sys
import tarfile

import numpy as np

rng = np.random.default_rng(128)
os.chdir(sys.argv[1])


def npy(array):
    b = io.BytesIO()
    np.save(b, array)
    return b.getvalue()


def image(dtype=np.float32, planes=3):
    a = np.empty((planes, 256, 256), dtype)
    a[0] = rng.normal(100, 20, (256, 256))
    a[1:] = rng.integers(0, 12, (planes - 1, 256, 256)) == 0
    return a


def archive(name, root, files):
    """Folders with their members, sky.npy after the first image."""
    with tarfile.open(name, "w", format=tarfile.GNU_FORMAT if "train" in name else tarfile.PAX_FORMAT) as t:
        d = tarfile.TarInfo(root)
        d.type = tarfile.DIRTYPE
        t.addfile(d)
        for path, data in files:
            info = tarfile.TarInfo(root + "/" + path)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))


def make(visits):
    files, images, levels = [], {}, {}
    for visit, exposures, has_sky in visits:
        sky = rng.uniform(20, 90, 5)
        names = ["%d_%d.npy" % (e, k) for k, e in enumerate(exposures)]
        for k, (name, e) in enumerate(zip(names, exposures)):
            a = image(np.float64 if k == 1 else np.float32, 2 if k == 2 else 3)
            images[visit + "/" + name], levels[visit + "/" + name] = a, sky[e - 1] if has_sky else 0.0
            files.append((visit + "/" + name, npy(a)))
            if k == 0 and has_sky:
                files.append((visit + "/sky.npy", npy(sky)))
        files.append((visit + "/._1_0.npy", b"of a Mac"))
        files.append((visit + "/notes.txt", b"nothing"))
    return files, images, levels


train = make([("f606w/10595/2", [3, 1, 5, 2], True), ("f435w/10595/2", [2, 4, 1], True), ("f435w/9442/a1", [1, 2, 3, 4], False)])
test = make([("f435w/12513/3", [5, 1], True), ("f814w/12513/3", [1], True)])
archive("train.tar", "npy_train", train[0])
archive("test.tar", "npy_test", test[0])


def expected(prefix, keep):
    a, b = sorted(k for k in train[1] if keep in k), sorted(k for k in test[1] if keep in k)
    arrays = [train[1][k] for k in a] + [test[1][k] for k in b]
    middle = [x[:, 64:192, 64:192] for x in arrays]
    np.save(prefix + "images.npy", np.float32([x[0] for x in middle]))
    np.save(prefix + "masks.npy", np.uint8([x[1] for x in middle]))
    np.save(prefix + "counts.npy", np.uint8([1 - x[2] if len(x) == 3 else np.ones((128, 128)) for x in middle]))
    np.save(prefix + "sky.npy", np.float32([train[2][k] for k in a] + [test[2][k] for k in b]))


expected("all-", "")
expected("f435w-", "f435w/")
good = image()
for name, files in dict(shape=[("a/1_0.npy", npy(good[:, :200]))], mask=[("a/1_0.npy", npy(good * 3))], nan=[("a/1_0.npy", npy(good * np.nan))],
                        exposure=[("a/7_0.npy", npy(good)), ("a/sky.npy", npy(np.ones(3)))], name=[("a/x_0.npy", npy(good)), ("a/sky.npy", npy(np.ones(3)))],
                        objects=[("a/1_0.npy", npy(np.array([None])))], none=[("a/sky.npy", npy(np.ones(3)))], one=[("a/1_0.npy", npy(good))],
                        twice=[("a/1_0.npy", npy(good)), ("a/1_0.npy", npy(good))]).items():
    archive("bad-%s.tar" % name, "npy_test", files)
