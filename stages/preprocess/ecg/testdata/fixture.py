#!/usr/bin/env python3
"""Writes pickles as ECG's is, smaller, and what NumPy and scikit-learn make of them.

    /usr/bin/python3 fixture.py FOLDER      (NumPy 1.24.2, scikit-learn 1.2.1)

The forms in which the data may come: an array of objects or a list, whole numbers or
floats, labels as texts or bytes, protocols 2 to 5. Nothing here is of nbpipe.
"""
import os
import pickle
import sys

import numpy as np
from sklearn.model_selection import train_test_split

rng = np.random.default_rng(17)
os.chdir(sys.argv[1])
n = 43
lengths = rng.integers(1001, 1700, n)
lengths[[3, 8]] = 1000, 700  # no window
data = np.empty(n, dtype=object)
data[:] = [np.cumsum(rng.integers(-40, 41, k)).astype(np.int16) for k in lengths]
data[11] = np.full(1300, 5, np.int16)  # does not vary
labels = np.array(["N", "A", "O", "~"])[rng.integers(0, 4, n)]


def save(name, value, protocol):
    with open(name, "wb") as f:
        pickle.dump(value, f, protocol=protocol)


save("array.pkl", {"data": data, "label": labels}, 4)
save("list.pkl", {"label": labels.tolist(), "data": [d.astype(np.float64) for d in data]}, 5)
save("bytes.pkl", {"data": [d[None].astype(">i4") for d in data], "label": labels.astype("S")}, 2)

stride = {"N": 500, "A": 83, "O": 250, "~": 25}
number = {"N": 0, "A": 1, "O": 2, "~": 3}
with np.errstate(invalid="ignore"):
    scaled = [np.nan_to_num((d - d.mean()) / d.std()) for d in data.tolist()]
train, rest = train_test_split(np.arange(n), test_size=0.2, random_state=0)
validation, test = train_test_split(rest, test_size=0.5, random_state=0)
windows, of, records, counts = [], [], [], []
for part in (train, validation, test):
    before = len(windows)
    for i in part:
        for j in range(0, len(scaled[i]) - 1000, stride[labels[i]]):
            windows.append(scaled[i][j:j + 1000])
            of.append(number[labels[i]])
            records.append(i)
    counts.append(len(windows) - before)
np.save("inputs.npy", np.float32(windows))
np.save("labels.npy", np.uint8(of))
np.save("records.npy", np.int32(records))
np.save("counts.npy", np.int64(counts))
np.save("real.npy", np.concatenate([p[:7] for p in (
    lambda a, b: (a, *train_test_split(b, test_size=0.5, random_state=0)))(*train_test_split(np.arange(8528), test_size=0.2, random_state=0))]))

for name, value in dict(list=[1, 2], short={"data": data, "label": labels[:5]}, none={"data": data}, label={"data": data, "label": ["X"] * n},
                        flat={"data": [d.reshape(-1, 1, 1)[:4] for d in data], "label": labels}, number={"data": list(range(n)), "label": labels},
                        nan={"data": [d * np.nan for d in data], "label": labels}, tiny={"data": data[8:9], "label": labels[:1]}).items():
    save("bad-%s.pkl" % name, value, 4)
