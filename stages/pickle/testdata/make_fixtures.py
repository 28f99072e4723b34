"""Writes the fixtures of the decoder's tests, and in expected.json what Python
reads in them, the same for all protocols, into its own folder (made with Python 3.11 and NumPy 1.24.2):

    /usr/bin/python3 make_fixtures.py
"""
import collections
import io
import json
import os
import pickle
import struct

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
expected = {}


def tree(v):
    """The value as JSON. Sets are sorted; arrays are in C order."""
    if isinstance(v, np.ndarray):
        flat = [tree(x) for x in v.ravel().tolist()]
        return {"array": v.dtype.kind + str(v.dtype.itemsize), "shape": list(v.shape), "values": flat}
    if isinstance(v, np.generic):
        return tree(v.item())
    if v is None or isinstance(v, (bool, str)):
        return v
    if isinstance(v, int):
        return {"int": str(v)}
    if isinstance(v, float):
        return {"float": struct.pack(">d", v).hex()}
    if isinstance(v, (bytes, bytearray)):
        return {"bytes": bytes(v).hex()}
    if isinstance(v, list):
        return [tree(x) for x in v]
    if isinstance(v, tuple):
        return {"tuple": [tree(x) for x in v]}
    if isinstance(v, dict):
        return {"dict": [[tree(k), tree(x)] for k, x in v.items()]}
    if isinstance(v, (set, frozenset)):
        return {"set": [tree(x) for x in sorted(v)]}
    raise TypeError(type(v))


def write(name, data, encoding="ASCII"):
    with open(os.path.join(here, name), "wb") as f:
        f.write(data)
    group = name.split("_")[0]
    read = tree(pickle.loads(data, encoding=encoding))
    assert expected.setdefault(group, read) == read, name


class Python2(pickle._Pickler):
    """Writes str and bytes as Python 2 writes its str, so that the result is what
    Python 2 would have written."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_str(self, v):
        raw = v.encode("latin1") if isinstance(v, str) else v
        if not self.bin:
            self.write(b"S" + repr(raw)[1:].encode("ascii") + b"\n")
        elif len(raw) < 256:
            self.write(b"U" + bytes([len(raw)]) + raw)
        else:
            self.write(b"T" + struct.pack("<i", len(raw)) + raw)
        self.memoize(v)

    dispatch[str] = dispatch[bytes] = save_str


def python2(value, protocol):
    f = io.BytesIO()
    Python2(f, protocol).dump(value)
    return f.getvalue()


def plain():
    shared = ["x", 1]
    value = {
        "none": None, "true": True, "false": False, "text": "a'\"\\\n\t\u00e9\u4e2d\U0001f600", "empty": "",
        "ints": [0, 1, -1, 255, 256, 65535, 65536, -2**31, 2**31, 2**63 - 1, -2**63, 2**63, -2**200, 3**300],
        "floats": [0.0, -0.0, 1.5, float("inf"), float("-inf"), 1e-320],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "bytes": [b"", b"\x00\xff\n'", b"x" * 300], "shared": [shared, shared],
        "long bytes": bytes(range(256)) * 17, "long text": "a\u00ff\u4e2d" * 1000,
        "nested": {"a": {"b": [{}]}}, (1, "k"): 2, 3: "three", "set": {1, 2, 3}, "frozen": frozenset(["a", "b"]),
        "ordered": collections.OrderedDict([("z", 1), ("a", 2)]), "default": collections.defaultdict(list, {"k": [1]}),
        "bytearray": bytearray(b"abc"), "more": list(range(1100)),
    }
    for protocol in range(6):
        write(f"plain_p{protocol}.pickle", pickle.dumps(value, protocol))


def arrays():
    ramp = np.arange(24).reshape(2, 3, 4)
    value = {code: (ramp / 2 if code[1] == "f" else ramp).astype(code)
             for code in ("<f2", "<f4", "<f8", ">f8", "<i1", "<i2", ">i4", "<i8", "<u1", "<u2", "<u4", "<u8")}
    value.update(
        bool=ramp > 3, fortran=np.asfortranarray(ramp.astype("f8")), single=np.array(2.5), empty=np.zeros((0, 3)), text=np.array(["ab", "c\u00e9"]),
        raw=np.array([b"ab", b"c"]), scalars=[np.float32(1.5), np.int64(-3), np.bool_(True)], large=np.arange(2100, dtype="<i2"),
        objects=np.array([np.arange(3), "x", None], dtype=object), matrix=np.array([[1, "a"], [None, 2.5]], dtype=object, order="F"),
    )
    for protocol in range(6):
        write(f"arrays_p{protocol}.pickle", pickle.dumps(value, protocol))


def old():
    """Of Python 2: a CIFAR batch, whose arrays are str, and texts of bytes."""
    data = (np.arange(2 * 3072) * 7 % 256).astype("u1").reshape(2, 3072)
    value = {"filenames": ["a.png", "b.png"], "batch_label": "training batch 1 of 1", "fine_labels": [19, 99], "coarse_labels": [11, 0],
             "data": data, "escapes": "\x00\x07\t\n\\'\"\xe9\xff", "fortran": np.asfortranarray(data[:, :5])}
    for protocol in range(3):
        write(f"python2_p{protocol}.pickle", python2(value, protocol), "latin1")


def npy():
    value = {"data": np.arange(12, dtype="<f4").reshape(3, 4), "label": np.array([1, 24, 3])}
    np.save(os.path.join(here, "dict.npy"), value)
    expected["dict"] = tree(value)


if __name__ == "__main__":
    plain()
    arrays()
    old()
    npy()
    with open(os.path.join(here, "expected.json"), "w", encoding="ascii") as f:
        json.dump(expected, f, separators=(",", ":"))
