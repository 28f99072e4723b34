"""Writes the fixtures of the table readers' tests, and their expected values.

Run it in its own folder with a Python that has numpy and pandas (made with
numpy 1.24.2 and pandas 1.5.3):

    python3 make_fixtures.py

The Parquet fixtures are written by the Go tests.
"""

import bz2
import collections
import os
import pickle

import numpy as np
import pandas as pd

CELLS = [
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|",
]
NUMBERS = [0, 1, 11]


def dump(name, value, protocol=4):
    with open(name, "wb") as f:
        pickle.dump(value, f, protocol=protocol)


def frames():
    frame = pd.DataFrame(
        {
            "arch": NUMBERS,
            "cell": CELLS,
            "f8": [0.5, float("nan"), -2.25],
            "text": ["a", None, ""],
            "f4": np.array([0.25, 1.5, -3.0], dtype="float32"),
            "flag": [True, False, True],
            "i1": np.array([-128, 0, 127], dtype="int8"),
            "u2": np.array([0, 1, 65535], dtype="uint16"),
            "more": [7, 8, 9],
        }
    )
    for protocol in (2, 3, 4, 5):
        dump(f"frame_p{protocol}.pd", frame, protocol)
    labelled = pd.DataFrame({"x": [1.0, 2.0]}, index=pd.Index(["p", "q"], name="key"))
    dump("frame_labelled.pd", labelled)
    dump("frame_numbered.pd", pd.DataFrame(np.arange(6.0).reshape(3, 2)))
    dump("frame_category.pd", pd.DataFrame({"x": pd.Categorical(["a", "b"])}))


def arrays():
    for protocol in (2, 4, 5):
        dump(f"array_1d_p{protocol}.pickle", np.array([1.5, -2.0, np.nan]), protocol)
    dump("array_2d_c.pickle", np.arange(6, dtype="int32").reshape(3, 2))
    dump("array_2d_f.pickle", np.asfortranarray(np.arange(6, dtype="int32").reshape(3, 2)))
    dump("array_big_endian.pickle", np.array([1, -2, 300], dtype=">i4"))
    dump("array_text.pickle", np.array(["ab", "c", "d\u00e9"]))
    dump("array_f2.pickle", np.array([1.5], dtype="float16"))
    dump("array_3d.pickle", np.zeros((2, 2, 2)))
    dump("list_scalars.pickle", [np.float64(1.5), np.float64(2.5)])
    dump("list_rows.pickle", [[1, 0.5, "a"], [2, 1, "b"]])
    dump("list_ragged.pickle", [[1, 2], [3]])
    dump("list_mixed.pickle", [1.0, "a"])
    dump("dict_columns.pickle", {"x": [1, 2], "y": np.array([0.5, 1.5])})


def result(dataset, seed, epochs, names, classes, cell):
    return {
        "name": dataset,
        "train_acc1es": {e: 10.0 * e + seed for e in range(epochs)},
        "train_acc5es": None,
        "train_losses": {e: 1.0 / (e + 1) for e in range(epochs)},
        "train_times": {e: 2.5 for e in range(epochs)},
        "arch_config": {"channel": 16, "num_cells": 5, "arch_str": cell, "class_num": classes},
        "params": 0.129306,
        "flop": 15.64737,
        "seed": f"{seed:04d}",
        "epochs": epochs,
        "latency": [0.25, 0.75],
        "eval_names": names,
        "eval_acc1es": {f"{n}@{e}": np.float64(20.0 * e + len(n)) for n in names for e in range(epochs)},
        "eval_times": {f"{n}@{e}": 0.5 for n in names for e in range(epochs)},
        "eval_losses": {f"{n}@{e}": 0.125 for n in names for e in range(epochs)},
        "net_state_dict": None,
    }


def state(index, cell, runs):
    return {
        "arch_index": index,
        "arch_str": cell,
        "all_results": {(d, s): result(d, s, e, names, 10, cell) for d, s, e, names in runs},
        "dataset_seed": {},
        "clear_net_done": True,
    }


def nats():
    record = collections.OrderedDict()
    record["200"] = state(0, CELLS[0], [("cifar100", 888, 4, ["x-valid", "x-test"]), ("cifar10", 777, 4, ["ori-test"])])
    record["12"] = state(0, CELLS[0], [("cifar10", 777, 2, ["ori-test"])])
    with bz2.open("nats_record.pickle.pbz2", "wb") as f:
        pickle.dump(record, f)
    size = {"90": state(30000, "64:64:64:64:64", [("cifar10", 777, 2, ["ori-test"])])}
    dump("nats_size_record.pickle", size)
    dump("nats_full.pickle", {"meta_archs": CELLS, "total_archs": 3, "arch2infos": {0: record}})
    meta = {"meta_archs": CELLS[:2], "total_archs": 2, "arch2infos": None, "evaluated_indexes": set()}
    dump("nats_meta.pickle", meta)


class Evil:
    def __reduce__(self):
        return os.system, ("echo evil",)


def hostile():
    dump("evil.pickle", Evil())
    loop = []
    loop.append(loop)
    dump("loop.pickle", loop)
    with open("nested.pickle", "wb") as f:
        f.write(b"\x80\x04K\x01" + b"\x85" * 5000 + b".")
    with bz2.open("bomb.pickle.pbz2", "wb") as f:
        f.write(b"\x80\x04" + b"\0" * (4 << 20))


def text():
    with open("cells.csv", "w", encoding="utf-8") as f:
        f.write("cell,acc,seed,ok,label,blank\n")
        for i, cell in enumerate(CELLS):
            f.write(f'{cell},{[50.5, "", 73][i]},{i},{["true", "False", ""][i]},"a ""{i}"", b\nc",\n')


if __name__ == "__main__":
    frames()
    arrays()
    nats()
    hostile()
    text()
