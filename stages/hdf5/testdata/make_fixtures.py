"""Writes the fixtures of the reader's tests, and what h5py reads in them, into its
own folder (made with h5py 3.7, HDF5 1.10.8):

    /usr/bin/python3 make_fixtures.py
"""
import json
import os

import h5py
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
expected = {}


def write(name, fill, **options):
    path = os.path.join(here, name)
    with h5py.File(path, "w", **options) as f:
        fill(f)
    with h5py.File(path, "r") as f:
        expected[name] = {
            key: {"type": v.dtype.kind + str(v.dtype.itemsize), "shape": list(v.shape), "values": np.asarray(v[()]).astype("f8").ravel().tolist()}
            for key, v in f.items() if isinstance(v, h5py.Dataset) and v.dtype.kind in "iuf"}


def ramp(*shape, dtype="<f8"):
    values = np.arange(np.prod(shape)) - 5
    return (values / 4 if dtype[1] == "f" else values).reshape(shape).astype(dtype)


def types(f):
    for code in ("<f2", "<f4", ">f8", "<i1", ">i2", "<i4", "<i8", "<u1", "<u2", ">u4", "<u8"):
        f[code[1:]] = abs(ramp(3, 4, dtype=code))
    f["single"] = 2.5
    f["empty"] = np.zeros((0, 3))
    f["text"] = "abc"
    f["rows"] = ramp(5, 7, 11)
    f.create_group("group")["inner"] = 1.0
    compact(f)


def compact(f):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((3,))
    d = h5py.h5d.create(f.id, b"compact", h5py.h5t.IEEE_F64LE, space, plist)
    d.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([1.0, 2.0, 3.0]))


def chunks(f):
    f.create_dataset("plain", data=ramp(5, 7), chunks=(2, 3))
    f.create_dataset("deflate", data=ramp(5, 7), chunks=(2, 3), compression="gzip")
    f.create_dataset("both", data=ramp(5, 7, 4, dtype="<i4"), chunks=(2, 3, 4), compression="gzip", shuffle=True)
    f.create_dataset("shuffle", data=ramp(6, dtype=">f4"), chunks=(4,), shuffle=True)
    f.create_dataset("many", data=ramp(40, 30, dtype="<i2"), chunks=(2, 3), compression="gzip")
    f.create_dataset("whole", data=ramp(5, 7), chunks=(5, 7), compression="gzip")
    f.create_dataset("large", data=ramp(3), chunks=(8,), maxshape=(9,))
    part = f.create_dataset("part", (5, 7), "<f8", chunks=(2, 3), fillvalue=1.5)
    part[0, 0] = 2.0
    f.create_dataset("never", (2, 3), "<i4", fillvalue=7)
    f.create_dataset("zeros", (2, 3), "<f4")


def matlab(f):
    """As MATLAB does: the last axis of MATLAB's is the first here."""
    d = f.create_dataset("coeff", data=ramp(6, 6, 4).transpose(2, 1, 0), chunks=(2, 3, 4), compression="gzip", compression_opts=3)
    d.attrs["MATLAB_class"] = np.bytes_("double")
    f.create_group("#refs#")


def few(f):
    """Up to eight members: of more, the new form keeps the names in a heap."""
    f["f4"] = ramp(3, 4, dtype="<f4")
    f["single"] = 2.5
    f["empty"] = np.zeros((0, 3))
    f.create_dataset("never", (2, 3), "<i4", fillvalue=7)
    f.create_dataset("both", data=ramp(5, 7, 4, dtype="<i4"), chunks=(2, 3, 4), compression="gzip", shuffle=True)
    part = f.create_dataset("part", (5, 7), "<f8", chunks=(2, 3), fillvalue=1.5)
    part[0, 0] = 2.0
    compact(f)


def latest(f):
    f.create_dataset("whole", data=ramp(5, 7), chunks=(5, 7), compression="gzip")
    f.create_dataset("plain", data=ramp(5, 7), chunks=(2, 3))
    f.create_dataset("paged", data=ramp(3000, dtype="<i2"), chunks=(2,))
    f.create_dataset("tree", data=ramp(9, 8), chunks=(2, 3), maxshape=(None, None))
    f.create_dataset("deep", data=ramp(60, 50, dtype="<i2"), chunks=(1, 1), maxshape=(None, None))
    f.create_dataset("deep_filtered", data=ramp(40, 30, dtype="<i2"), chunks=(1, 3), maxshape=(None, None), compression="gzip")
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((2, 3))
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    d = h5py.h5d.create(f.id, b"implicit", h5py.h5t.IEEE_F64LE, h5py.h5s.create_simple((5, 7)), plist)
    d.write(h5py.h5s.ALL, h5py.h5s.ALL, ramp(5, 7))


def refused(f):
    f.create_dataset("unlimited", data=ramp(5), chunks=(2,), maxshape=(None,))
    f.create_dataset("fletcher", data=ramp(5), chunks=(2,), fletcher32=True)
    f.create_dataset("lzf", data=ramp(5), chunks=(2,), compression="lzf")
    f["text"] = "abc"
    f["complex"] = np.array([1j])
    f["group/x"] = 1.0


def many(f):
    for i in range(20):
        f[f"x{i:02}"] = float(i)


if __name__ == "__main__":
    write("types.h5", types)
    write("few_latest.h5", few, libver="latest")
    write("chunks.h5", chunks)
    write("chunks_latest.h5", latest, libver="latest")
    write("matlab.h5", matlab, userblock_size=512)
    write("refused.h5", refused, libver="latest")
    write("many.h5", many)
    write("dense.h5", many, libver="latest")
    with open(os.path.join(here, "expected.json"), "w", encoding="ascii") as f:
        json.dump(expected, f, separators=(",", ":"))
