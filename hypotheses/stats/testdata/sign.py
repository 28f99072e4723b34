#!/usr/bin/env python3
"""Writes sign.json: scipy.stats.binomtest for the sign test.

    /usr/bin/python3 sign.py > sign.json      (SciPy 1.10.1)
"""
import json
import sys

from scipy import stats

cases = [(0, 1), (1, 0), (2, 7), (7, 2), (5, 5), (0, 10), (3, 4), (30, 12), (0, 60), (480, 520), (100, 900)]
json.dump([{"Higher": a, "Lower": b, "P": float(stats.binomtest(a, a + b, 0.5).pvalue)} for a, b in cases], sys.stdout, indent=1)
print()
