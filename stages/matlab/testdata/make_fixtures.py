"""Writes the fixtures of the reader's tests, and what SciPy and h5py read in them,
into its own folder (made with SciPy 1.10.1 and h5py 3.7):

    /usr/bin/python3 make_fixtures.py

Those in the form of MATLAB's own that SciPy does not write are put together here byte
by byte, and read by SciPy.
"""
import json
import os
import struct
import zlib

import h5py
import numpy as np
import scipy.io

here = os.path.dirname(os.path.abspath(__file__))
expected = {}


def place(name):
    return os.path.join(here, name)


def expect(name, arrays):
    """Shape and values, the first axis moving fastest."""
    expected[name] = {k: {"shape": list(v.shape), "values": np.asarray(v, "f8").ravel(order="F").tolist()}
                      for k, v in arrays.items() if not k.startswith("__") and isinstance(v, np.ndarray) and v.dtype.kind in "iuf"}


def ramp(*shape):
    return (np.arange(np.prod(shape)).reshape(shape) - 5) / 4


def values():
    return {
        "coeff": ramp(4, 6, 5), "sol": ramp(4, 6, 5) * 2, "single": ramp(2, 3).astype("f4"), "one": np.array([[2.5]]), "empty": np.zeros((0, 3)),
        "long_name_of_a_variable": np.arange(6).reshape(2, 3).astype("i4"), "u1": np.arange(5, dtype="u1"), "i2": -np.arange(5, dtype="i2"),
        "i8": np.array([[-(2**40), 2**40]]), "u8": np.array([[7]], dtype="u8"), "u4": np.array([[7]], dtype="u4"), "i1": np.array([[-7]], dtype="i1"),
        "u2": np.array([[65535]], dtype="u2"),
    }


def scipy_files():
    for name, compressed in (("v5.mat", False), ("v5_compressed.mat", True)):
        scipy.io.savemat(place(name), values(), do_compression=compressed)
        expect(name, scipy.io.loadmat(place(name)))
    others = {"text": "abc", "complex": np.array([1j]), "cell": np.array([1, "a"], dtype=object), "struct": {"a": 1},
              "sparse": __import__("scipy.sparse").sparse.eye(3), "fine": np.array([[1.0]])}
    scipy.io.savemat(place("others.mat"), others)


def element(order, kind, data):
    """With its tag; up to four bytes are kept in it."""
    if len(data) <= 4:
        return struct.pack(order + "I", len(data) << 16 | kind) + data.ljust(4, b"\0")
    return struct.pack(order + "II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matrix(order, name, shape, kind, code, data):
    body = (element(order, 6, struct.pack(order + "II", 6, 0)) + element(order, 5, struct.pack(order + f"{len(shape)}i", *shape))
            + element(order, 1, name.encode()) + element(order, kind, np.asarray(data).astype(order + code).tobytes()))
    return struct.pack(order + "II", 14, len(body)) + body


def matlab_files():
    """Doubles that are whole numbers are kept as small integers; either byte order."""
    for name, order, mark in (("little.mat", "<", b"IM"), ("big.mat", ">", b"MI")):
        variables = (matrix(order, "bytes", (2, 3), 2, "u1", range(6)), matrix(order, "tiny", (1, 2), 1, "i1", (-1, 1)),
                     matrix(order, "shorts", (3, 2, 2), 3, "i2", range(-6, 6)), matrix(order, "f8", (2, 3), 9, "f8", [x / 4 for x in range(6)]))
        packed = zlib.compress(variables[3])
        with open(place(name), "wb") as f:
            f.write(b"MATLAB 5.0 MAT-file, made by hand".ljust(124) + struct.pack(order + "H", 0x100) + mark)
            f.write(b"".join(variables[:3]) + struct.pack(order + "II", 15, len(packed)) + packed + matrix(order, "last", (1, 1), 2, "u1", [9]))
        expect(name, scipy.io.loadmat(place(name)))


def seven():
    """Version 7.3: HDF5 behind 512 bytes, MATLAB's axes in reverse order."""
    name = "v73.mat"
    arrays = {k: v for k, v in values().items() if v.size and v.ndim > 1}
    with h5py.File(place(name), "w", userblock_size=512) as f:
        for key, v in arrays.items():
            options = {"chunks": (2, 3, 4), "compression": "gzip", "compression_opts": 3} if v.ndim == 3 else {}
            d = f.create_dataset(key, data=v.T, **options)
            d.attrs["MATLAB_class"] = np.bytes_({"f8": "double", "f4": "single"}.get(v.dtype.str[1:], str(v.dtype)))
    with open(place(name), "r+b") as f:
        text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Thu Jan  1 00:00:00 1970 HDF5 schema 1.00 ."
        f.write(text.ljust(116) + b"\0" * 8 + struct.pack("<H", 0x200) + b"IM")
    with h5py.File(place(name), "r") as f:
        expect(name, {k: v[()].T for k, v in f.items()})


if __name__ == "__main__":
    scipy_files()
    matlab_files()
    seven()
    with open(place("expected.json"), "w", encoding="ascii") as f:
        json.dump(expected, f, separators=(",", ":"))
