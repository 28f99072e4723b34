"""Weights as safetensors files, in the form that stages/nn writes and reads."""

import json
import os
import struct

import numpy as np

TYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


def read_tensors(path):
    """Returns the tensors of a file by name, and its metadata."""
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        start = f.tell()
        metadata = header.pop("__metadata__", {})
        tensors = {}
        for name in sorted(header):
            entry = header[name]
            low, high = entry["data_offsets"]
            f.seek(start + low)
            flat = np.frombuffer(f.read(high - low), dtype=TYPES[entry["dtype"]])
            tensors[name] = flat.reshape(entry["shape"]).copy()
    return tensors, metadata


def write_tensors(path, tensors, metadata=None):
    """Writes the tensors so that a reader sees the old file or the new one."""
    header, at = {}, 0
    for name in sorted(tensors):
        array = tensors[name]
        kind = "F64" if array.dtype == np.float64 else "F32"
        end = at + array.size * TYPES[kind].itemsize
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, end]}
        at = end
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = path + ".partial"
    with open(partial, "wb") as f:
        f.write(struct.pack("<Q", len(text)))
        f.write(text)
        for name in sorted(tensors):
            kind = header[name]["dtype"]
            f.write(np.ascontiguousarray(tensors[name], dtype=TYPES[kind]).tobytes())
        f.flush()
        os.fsync(f.fileno())
    os.replace(partial, path)


def map_array(path, shape):
    """Maps an .npy file of the given shape into memory."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if list(array.shape) != list(shape):
        raise ValueError("%s holds an array of shape %s, not %s" % (path, list(array.shape), list(shape)))
    return array
