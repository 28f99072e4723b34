"""Writes the fixtures of the reader's tests, with NumPy 1.24.2, into its own
folder:

    /usr/bin/python3 make_fixtures.py

`make_fixtures.py show FILE` prints what NumPy reads in a file, as JSON.
"""
import json
import os
import sys

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))


def save(name, array, version=None):
    with open(os.path.join(here, name), "wb") as f:
        np.lib.format.write_array(f, array, version=version)


def write():
    ramp = np.arange(24).reshape(2, 3, 4) - 5
    save("f4.npy", ramp.astype("<f4") / 2)
    save("f8_fortran.npy", np.asfortranarray(ramp.astype("<f8") / 2))
    save("f8_big.npy", (ramp / 2).astype(">f8"))
    save("i8.npy", ramp.astype("<i8"))
    save("i4_big_fortran.npy", np.asfortranarray(ramp.astype(">i4")))
    save("u1.npy", (ramp + 5).astype("u1"))
    save("bool.npy", ramp > 0)
    save("single.npy", np.float64(2.5).reshape(()))
    save("line.npy", np.arange(3, dtype="<i8"))
    save("empty.npy", np.zeros((0, 3), dtype="<f4"))
    save("version2.npy", ramp.astype("<f4") / 2, (2, 0))
    save("version3.npy", ramp.astype("<f4") / 2, (3, 0))
    save("f2.npy", ramp.astype("<f2") / 2)
    for code in ("<i2", "|i1", "<u8", ">u4", "<u2"):
        save(code[1:] + ".npy", (ramp + (5 if code[1] == "u" else 0)).astype(code))
    save("text.npy", np.array(["a", "bc"]))
    save("complex.npy", ramp.astype("<c8"))
    save("record.npy", np.zeros(2, dtype=[("x", "<f4"), ("y", "<i4")]))
    save("object.npy", np.array([{}, None], dtype=object))
    np.savez(os.path.join(here, "archive.npz"), a=ramp[0, 0])
    np.savez_compressed(os.path.join(here, "compressed.npz"), x_train=(ramp + 5).astype("u1"), y_train=ramp[0], names=np.array([{"a": 1}], dtype=object))
    # NumPy writes an archive's members with the sizes of zip64.
    with open(os.path.join(here, "single.npz"), "wb") as f:
        np.savez(f, ramp / 2)


def show(path):
    a = np.load(path)
    json.dump({"dtype": str(a.dtype), "shape": list(a.shape), "fortran": bool(a.flags.f_contiguous and not a.flags.c_contiguous),
               "values": a.astype("f8").ravel().tolist()}, sys.stdout)


if __name__ == "__main__":
    show(sys.argv[2]) if sys.argv[1:2] == ["show"] else write()
