#!/usr/bin/env python3
"""Recomputes hypothesis "space_shrinking" on CIFAR-100 independently of the Go code.

Usage: space_shrinking.py NATS_BENCH_CSV MINI_BENCH_FRAME > space_shrinking.json

The searches are those of stages/search/algorithm/testdata/shrink.py, on the published
table in place of its made values: 30 runs by validation accuracy after 12 epochs, judged
by test accuracy after 200. Needs numpy, pandas and scipy. Only means are given: the
bootstrap of means has its own tests.
"""
import json
import pathlib
import re
import sys

import numpy as np
import pandas as pd
from scipy import sparse, stats
from scipy.sparse import csgraph

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "stages/search/algorithm/testdata"))
import golden  # noqa: E402
import shrink  # noqa: E402

RUNS, SEED, N = 30, 777, 15625
NAME = "cifar100"


def describe(space, seen, judged, top, cells):
    space = np.array(space)
    d = (cells[space][:, None, :] != cells[space][None, :, :]).sum(axis=2)
    n = len(space)
    return {
        "size_ratio": n / N,
        "mean_gain": judged[space].mean() - judged.mean(),
        "recall": len(set(space) & top) / len(top),
        "diversity": d.sum() / (n * (n - 1)),
        "pockets": csgraph.connected_components(sparse.csr_matrix(d == 1))[0],
        "tau": stats.kendalltau(seen[space], judged[space])[0],
    }


def main():
    nats = pd.read_csv(sys.argv[1], float_precision="round_trip")
    judged = nats["CIFAR100TestAccuracy200Epochs"].to_numpy()
    frame = pd.read_pickle(sys.argv[2]).sort_values("arch")
    seen = frame["cifar100-val"].to_numpy(dtype=float)
    cells = np.array([[["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"].index(o) for o in re.findall(r"([a-z_0-9]+)~", s)]
                      for s in nats.ArchitectureString])
    assert [tuple(c) for c in cells] == golden.CELLS
    golden.value = lambda cell, epochs=12: seen[golden.INDEX[cell]]
    top = set(np.argsort(-judged, kind="stable")[:156])
    methods = ["pockets", "edge_operations", "operations", "random"]
    own, equal = {m: [] for m in methods}, {m: [] for m in methods}
    for run in range(RUNS):
        spaces = {
            "pockets": shrink.history(shrink.lissnas, run, 170, 50, 10, 5)["space"],
            "operations": shrink.history(shrink.pruning, run, 170, False, 50, 250)["space"],
            "edge_operations": shrink.history(shrink.pruning, run, 170, True, 25, 250)["space"],
            "random": list(range(N)),
        }
        spaces = {m: s or list(range(N)) for m, s in spaces.items()}
        size = min(len(s) for s in spaces.values())
        for m in methods:
            cut = spaces[m]
            if len(cut) > size:
                cut = shrink.draw(golden.Stream(SEED, run, f"space_shrinking {NAME} {m}"), cut, size)
            equal[m].append(describe(cut, seen, judged, top, cells))
            own[m].append(equal[m][-1] if m == "random" else describe(spaces[m], seen, judged, top, cells))
    out = {"runs": RUNS, "equal_size": {NAME: {"value": float(np.mean([d["size_ratio"] for d in equal["random"]])), "n": RUNS}},
           "tau_all": {NAME: {"value": float(stats.kendalltau(seen, judged)[0])}}, "advantage": {NAME: {m: {} for m in methods[1:]}}}
    for key in ["size_ratio", "pockets"]:
        out[key] = {NAME: {m: {"value": float(np.mean([d[key] for d in own[m]]))} for m in methods}}
    for key in ["mean_gain", "recall", "diversity", "tau"]:
        out[key] = {NAME: {m: {"value": float(np.mean([d[key] for d in equal[m]]))} for m in methods}}
        for m in methods[1:]:
            out["advantage"][NAME][m][key] = {"value": out[key][NAME]["pockets"]["value"] - out[key][NAME][m]["value"]}
    json.dump({"space_shrinking": out}, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main()
