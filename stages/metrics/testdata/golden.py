#!/usr/bin/env python3
"""Writes golden.json: what scikit-learn and NumPy say of the metrics of fixed samples.

    /usr/bin/python3 golden.py > golden.json      (scikit-learn 1.2.1, NumPy 1.24.2)

Scores are multiples of 1/8 or 1/64 from a generator that golden_test.go has, too,
so that there are ties and the files stay small. Nothing here is of nbpipe.
"""
import json
import sys
import warnings
from collections import Counter

import numpy as np
import sklearn
from sklearn import metrics

warnings.simplefilter("ignore")
MASK = (1 << 64) - 1


def draws(seed, n, levels):
    """Knuth's MMIX generator: the 31 high bits of each state, modulo levels."""
    state, out = seed, []
    for _ in range(n):
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        out.append((state >> 33) % levels)
    return np.array(out)


def scores(seed, shape, levels, unit):
    return (draws(seed, int(np.prod(shape)), levels).reshape(shape) / unit - levels / unit / 2).astype(np.float32)


def zero_one():
    out = []
    for seed, n, classes, levels in [(1, 50, 4, 1000), (2, 60, 3, 3), (3, 1, 2, 5), (4, 500, 24, 64)]:
        s, y = scores(seed, (n, classes), levels, 8), draws(seed + 100, n, classes)
        out.append(dict(seed=seed, n=n, classes=classes, levels=levels, value=metrics.zero_one_loss(y, s.argmax(1))))
    return out


def relative_l2():
    out = []
    for seed, n, size in [(5, 7, 25), (6, 1, 1), (7, 20, 85)]:
        p, y = scores(seed, (n, size), 97, 8).astype(np.float64), scores(seed + 100, (n, size), 89, 8).astype(np.float64)
        out.append(dict(seed=seed, n=n, size=size, value=float(np.mean(np.linalg.norm(p - y, axis=1) / np.linalg.norm(y, axis=1)))))
    return out


def ranking():
    out = []
    for seed, n, levels, share in [(8, 40, 1000000, 2), (9, 200, 5, 3), (10, 1000, 64, 50), (11, 30, 1, 2), (12, 5000, 4096, 7)]:
        s, y = scores(seed, n, levels, 64), (draws(seed + 100, n, share) == 0).astype(int)
        out.append(dict(seed=seed, n=n, levels=levels, share=share,
                        auroc=metrics.roc_auc_score(y, s), ap=metrics.average_precision_score(y, s)))
    return out


def multilabel():
    """DeepSEA and FSD50K: the first case has a label that is always 0, the second one that is always 1."""
    out = []
    for seed, n, labels, constant in [(13, 300, 6, 0), (14, 80, 4, 1), (15, 120, 5, None)]:
        s, y = scores(seed, (n, labels), 50, 64), (draws(seed + 100, n * labels, 4).reshape(n, labels) == 0).astype(int)
        if constant is not None:
            y[:, 2] = constant
        auroc = [metrics.roc_auc_score(y[:, l], s[:, l]) if len(set(y[:, l])) == 2 else None for l in range(labels)]
        out.append(dict(seed=seed, n=n, labels=labels, constant=-1 if constant is None else constant, auroc=auroc,
                        mean_auroc=1 - float(np.mean([a for a in auroc if a is not None])),
                        mean_ap=1 - metrics.average_precision_score(y, s, average="macro"),
                        ap=list(metrics.average_precision_score(y, s, average=None))))
    return out


def clips():
    seed, n, labels, many = 16, 60, 3, 20
    s = scores(seed, (n, labels), 4000, 64)
    clip = draws(seed + 200, n, many)
    y = (draws(seed + 300, many * labels, 3).reshape(many, labels) == 0).astype(int)
    order = list(dict.fromkeys(clip.tolist()))
    mean = np.array([s[clip == c].astype(np.float64).mean(0) for c in order])
    sigmoid = (1 / (1 + np.exp(-mean))).astype(np.float32)
    truth = np.array([y[c] for c in order])
    return dict(seed=seed, n=n, labels=labels, many=many, scores=[float(v) for v in sigmoid.ravel()],
                value=1 - metrics.average_precision_score(truth, sigmoid, average="macro"))


def mask():
    out = []
    for seed, n, share in [(17, 400, 3), (18, 2000, 40)]:
        s, m, ignore = scores(seed, n, 33, 8), (draws(seed + 100, n, share) == 0).astype(int), (draws(seed + 200, n, 9) == 0)
        for threshold in (0.5, 0.0):
            for left in (np.ones(n, bool), ~ignore):
                predicted = (s[left] > threshold).astype(int)
                out.append(dict(seed=seed, n=n, share=share, threshold=threshold, ignore=not left.all(),
                                fnr=1 - metrics.recall_score(m[left], predicted),
                                auroc=1 - metrics.roc_auc_score(m[left], predicted)))
    return out


def distance():
    """MAE8 with loops, and as the repository's evaluation has it (repository): P is
    symmetrised in its upper triangle, floored, and its triangles averaged again."""
    seed, side, lengths = 19, 40, [40, 33, 24, 10]
    n = len(lengths)
    p = scores(seed, (n, side, side), 200, 8).astype(np.float64) + 8
    y = np.abs(scores(seed + 100, (n, side, side), 300, 8)).astype(np.float64)
    once, twice = [], []
    for k, length in enumerate(lengths):
        first, second = [], []
        for i in range(length):
            for j in range(i + 24, length):
                if y[k, i, j] <= 8:
                    first.append(abs(y[k, i, j] - max(0.01, (p[k, i, j] + p[k, j, i]) / 2)))
        upper = np.where(np.triu(np.ones((side, side))) > 0, (p[k] + p[k].T) / 2, p[k])
        upper[upper < 0.01] = 0.01
        average = ((upper + upper.T) / 2)[:length, :length]
        i, j = np.indices((length, length))
        left = (j - i >= 24) & (y[k, :length, :length] <= 8)
        second = np.abs(y[k, :length, :length] - average)[left]
        once.append(np.mean(first) if first else np.nan)
        twice.append(np.mean(second) if len(second) else np.nan)
    return dict(seed=seed, side=side, lengths=lengths, mae=float(np.nanmean(once)), repository=float(np.nanmean(twice)),
                per_protein=[None if np.isnan(v) else float(v) for v in once])


def ecg():
    out = []
    for seed, n, records, levels in [(20, 300, 40, 1000), (21, 90, 45, 3), (22, 12, 4, 50)]:
        s, record = scores(seed, (n, 4), levels, 8), np.sort(draws(seed + 200, n, records))
        of = draws(seed + 100, records, 4)
        predicted, truth, ties = [], [], 0
        for r in np.unique(record):
            votes = Counter(s[record == r].argmax(1).tolist()).most_common()
            ties += len(votes) > 1 and votes[0][1] == votes[1][1]
            predicted.append(votes[0][0])
            truth.append(of[r])
        f1 = metrics.f1_score(truth, predicted, labels=[0, 1, 2, 3], average=None)
        out.append(dict(seed=seed, n=n, records=records, levels=levels, f1=f1.tolist(), ties=int(ties), voted=predicted,
                        value=1 - f1.mean(), three=1 - f1[:3].mean()))
    return out


def main():
    json.dump(dict(sklearn=sklearn.__version__, numpy=np.__version__, zero_one=zero_one(), relative_l2=relative_l2(),
                   ranking=ranking(), multilabel=multilabel(), clips=clips(), mask=mask(), distance=distance(), ecg=ecg()),
              sys.stdout, indent=1)
    print()


main()
