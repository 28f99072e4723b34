#!/usr/bin/env python3
"""Independent computation of what the algorithms must do: golden.json.

    python3 golden.py > golden.json

Plain Python, written from the papers, HpBandSter and AutoDL-Projects, and from
the documented derivation of random streams; no code is shared with Go. Cells are
tuples of six operations' numbers.
"""
import collections
import hashlib
import itertools
import json
import math
import random
import statistics
import struct

MASK = (1 << 64) - 1
EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]

# The benchmark's order: all cells, first edge slowest, shuffled by seed 88.
CELLS = list(itertools.product(range(5), repeat=6))
random.seed(88)
random.shuffle(CELLS)
INDEX = {c: i for i, c in enumerate(CELLS)}


class Stream:
    """PCG-DXSM (O'Neill), seeded by SHA-256 of purpose, seed and run."""

    def __init__(self, seed, run, purpose="run"):
        digest = hashlib.sha256(b"nbpipe search " + purpose.encode() + struct.pack("<QQ", seed, run)).digest()
        high, low = struct.unpack("<QQ", digest[:16])
        self.state = high << 64 | low

    def bits(self):
        multiplier = 2549297995355413924 << 64 | 4865540595714422341
        increment = 6364136223846793005 << 64 | 1442695040888963407
        self.state = (self.state * multiplier + increment) & ((1 << 128) - 1)
        high, low = self.state >> 64, self.state & MASK
        high ^= high >> 32
        high = high * 0xda942042e4dd58b5 & MASK
        high ^= high >> 48
        return high * (low | 1) & MASK

    def below(self, n):
        return self.bits() * n >> 64

    def uniform(self):
        return (self.bits() >> 11) * 2.0 ** -53

    def normal(self):
        return statistics.NormalDist().inv_cdf(((self.bits() >> 11) + 0.5) * 2.0 ** -53)

    def cell(self):
        n = self.below(15625)
        return tuple(n // 5 ** e % 5 for e in range(6))


def value(cell, epochs=12):
    """A made accuracy: additive, with a hash for noise; after 200 epochs other noise."""
    hashed = INDEX[cell] * 2654435761 % (1 << 32) if epochs == 12 else INDEX[cell] * 40503 % 65536 * 65536
    return sum((0, 3, 4, 6, 1)[op] * (1 + e / 8) for e, op in enumerate(cell)) + 4 * hashed / 2 ** 32 + (0 if epochs == 12 else 20)


class Spent(Exception):
    pass


class Run:
    def __init__(self, seed, run, budget, epochs=(12,)):
        self.stream, self.budget, self.epochs, self.history = Stream(seed, run), budget, epochs, []

    def evaluate(self, cell, level=0):
        if len(self.history) == self.budget:
            raise Spent
        self.history.append([INDEX[cell], level])
        return value(cell, self.epochs[level])


def mutate(s, cell):
    node = 1 + s.below(3)
    edge = [0, 1, 3][node - 1] + s.below(node)
    op = s.below(4)
    return cell[:edge] + ([o for o in range(5) if o != cell[edge]][op],) + cell[edge + 1:]


def evolution(r):
    s = r.stream
    first = [s.cell() for _ in range(10)]
    population = collections.deque((r.evaluate(c), c) for c in first)
    while True:
        drawn = [population[place(s.below(10), len(r.history))] for _ in range(3)]
        parent = max(drawn, key=lambda m: m[0])
        child = mutate(s, parent[1])
        population.append((r.evaluate(child), child))
        population.popleft()


def place(slot, evaluated):
    """Go keeps members in a ring; where slot lies in a queue from oldest to newest."""
    return (slot - evaluated) % 10


def neighbours(cell):
    return [cell[:e] + (op,) + cell[e + 1:] for e in range(6) for op in range(5) if op != cell[e]]


def local_search(r):
    s, known = r.stream, {}
    rest = list(range(15625))

    def see(cells):
        for c in cells:
            if c not in known:
                known[c] = r.evaluate(c)

    while rest:
        i = s.below(len(rest))
        at = CELLS[rest[i]]
        rest[i] = rest[-1]
        rest.pop()
        if at in known:
            continue
        see([at])
        while True:
            around = neighbours(at)
            for i in range(len(around) - 1, 0, -1):
                j = s.below(i + 1)
                around[i], around[j] = around[j], around[i]
            see(around)
            top = max(around, key=lambda c: known[c])
            if known[top] <= known[at]:
                break
            at = top


def softmax(row):
    top = max(row)
    e = [math.exp(x - top) for x in row]
    return [x / sum(e) for x in e]


def reinforce(r, logits):
    """Gradients by numerical differentiation of the loss itself."""
    s = r.stream
    for e in range(6):
        logits.append([1e-3 * s.normal() for _ in range(5)])
    first, second = [[0.0] * 5 for _ in range(6)], [[0.0] * 5 for _ in range(6)]
    numerator = denominator = 0.0
    for t in itertools.count(1):
        cell = []
        for e in range(6):
            u, total = s.uniform(), 0.0
            for op, p in enumerate(softmax(logits[e])):
                total += p
                if u < total or op == 4:
                    cell.append(op)
                    break
        reward = r.evaluate(tuple(cell))
        numerator = 0.9 * numerator + 0.1 * reward
        denominator = 0.9 * denominator + 0.1
        advantage = reward - numerator / denominator
        for e in range(6):
            for o in range(5):
                def log_probability(shift):
                    row = list(logits[e])
                    row[o] += shift
                    return math.log(softmax(row)[cell[e]])
                h = 1e-5
                g = -(log_probability(h) - log_probability(-h)) / (2 * h) * advantage
                first[e][o] = 0.9 * first[e][o] + 0.1 * g
                second[e][o] = 0.999 * second[e][o] + 0.001 * g * g
        for e in range(6):
            for o in range(5):
                logits[e][o] -= 0.01 * (first[e][o] / (1 - 0.9 ** t)) / (math.sqrt(second[e][o] / (1 - 0.999 ** t)) + 1e-8)


def brackets(smallest, largest, eta):
    """HpBandSter's get_next_iteration."""
    most = -int(math.log(smallest / largest) / math.log(eta) - 1e-9) + 1
    out = []
    for iteration in range(most):
        s = most - 1 - iteration
        n0 = most // (s + 1) * eta ** s
        out.append([max(int(n0 * eta ** -i + 1e-9), 1) for i in range(s + 1)])
    return out


class Kernel:
    """Product of Aitchison-Aitken kernels, normal reference bandwidths."""

    def __init__(self, cells, smallest=0.3):
        n = len(cells)
        self.cells = cells
        self.bandwidth = [min(0.8, max(smallest, 1.06 * statistics.pstdev([c[e] for c in cells]) * n ** (-1 / 10))) for e in range(6)]

    def pdf(self, x):
        return statistics.fmean(math.prod(1 - h if c[e] == x[e] else h / 4 for e, h in enumerate(self.bandwidth)) for c in self.cells)


class Model:
    def __init__(self, levels):
        self.data, self.good, self.bad, self.level = [[] for _ in range(levels)], None, None, -1

    def new_result(self, cell, level, reward):
        if level < self.level:
            return
        self.data[level].append((reward, cell))
        n = len(self.data[level])
        good, bad = max(7, 15 * n // 100), max(7, 85 * n // 100)
        order = [c for _, c in sorted(self.data[level], key=lambda d: -d[0])]
        if len(order[good:good + bad]) < 7:
            return
        self.good, self.bad, self.level = Kernel(order[:good]), Kernel(order[good:good + bad]), level

    def config(self, s):
        if self.level < 0 or s.uniform() < 0:
            return s.cell()
        best, vector = math.inf, None
        for _ in range(4):
            datum = list(self.good.cells[s.below(len(self.good.cells))])
            for e, h in enumerate(self.good.bandwidth):
                if not s.uniform() < 1 - h:
                    datum[e] = s.below(5)
            ratio = max(1e-32, self.bad.pdf(datum)) / max(1e-32, self.good.pdf(datum))
            if ratio < best * (1 - 1e-12):  # equal but for rounding: the first wins
                best, vector = ratio, tuple(datum)
        return vector


def hyperband(r, model=None):
    levels = len(r.epochs)
    while True:
        for s in range(levels - 1, -1, -1):
            n = levels // (s + 1) * 3 ** s
            cells = [model.config(r.stream) if model else r.stream.cell() for _ in range(n)]
            for i in range(s + 1):
                cells = cells[:max(1, n // 3 ** i)]
                rewards = [r.evaluate(c, levels - 1 - s + i) for c in cells]
                for c, reward in zip(cells, rewards):
                    if model:
                        model.new_result(c, levels - 1 - s + i, reward)
                cells = [c for _, c in sorted(zip(rewards, cells), key=lambda p: -p[0])]


def asha(r):
    rungs, promoted = [[] for _ in r.epochs], [set() for _ in r.epochs]
    while True:
        job = None
        for level in range(len(rungs) - 2, -1, -1):
            top = sorted(range(len(rungs[level])), key=lambda i: -rungs[level][i][0])[:len(rungs[level]) // 3]
            able = [i for i in top if i not in promoted[level]]
            if able:
                promoted[level].add(able[0])
                job = rungs[level][able[0]][1], level + 1
                break
        if job is None:
            job = r.stream.cell(), 0
        rungs[job[1]].append((r.evaluate(*job), job[0]))


def encode(cell):
    """The set of paths, as sequences of operations."""
    routes = [[3], [0, 4], [1, 5], [0, 2, 5]]
    return {tuple(cell[e] for e in route) for route in routes if all(cell[e] for e in route)}


def solve(matrix, rhs):
    """Gaussian elimination with pivots."""
    a = [list(row) + [b] for row, b in zip(matrix, rhs)]
    n = len(a)
    for i in range(n):
        pivot = max(range(i, n), key=lambda k: abs(a[k][i]))
        a[i], a[pivot] = a[pivot], a[i]
        for k in range(i + 1, n):
            factor = a[k][i] / a[i][i]
            for j in range(i, n + 1):
                a[k][j] -= factor * a[i][j]
    x = [0.0] * n
    for i in reversed(range(n)):
        x[i] = (a[i][n] - sum(a[i][j] * x[j] for j in range(i + 1, n))) / a[i][i]
    return x, sum(math.log(abs(a[i][i])) for i in range(n))


def process(cells, rewards, tests):
    """Likelihood of every hyperparameter pair, and the best one's predictions."""
    n = len(cells)
    order = sorted(rewards)
    scores = [statistics.NormalDist().inv_cdf((order.index(v) + 0.5) / n) for v in rewards]
    paths = [encode(c) for c in cells]
    out = []
    for length in (2, 5, 12):
        for noise in (0.03, 0.2):
            k = [[math.exp(-len(p ^ q) / length) + (noise if i == j else 0) for j, q in enumerate(paths)] for i, p in enumerate(paths)]
            weights, log_determinant = solve(k, scores)
            fit = -sum(a * b for a, b in zip(weights, scores)) / 2 - log_determinant / 2
            predictions = []
            for t in tests:
                row = [math.exp(-len(encode(t) ^ p) / length) for p in paths]
                back, _ = solve(k, row)
                predictions.append([sum(a * b for a, b in zip(row, weights)), math.sqrt(1 - sum(a * b for a, b in zip(row, back)))])
            out.append((fit, predictions))
    return {"likelihoods": [f for f, _ in out], "predictions": max(out, key=lambda o: o[0])[1]}


def history(algorithm, run, budget=170, epochs=(12,), *more):
    r = Run(777, run, budget, epochs)
    try:
        algorithm(r, *more)
    except Spent:
        pass
    return r.history


def main():
    both = (12, 200)
    doc = {"evolution": {}, "local_search": {}, "reinforce": {}, "logits": {}, "hyperband": {}, "asha": {}, "bohb": {}}
    for run in (0, 7):
        doc["evolution"][run] = history(evolution, run)
        doc["local_search"][run] = history(local_search, run)
        logits = []
        doc["reinforce"][run] = history(reinforce, run, 170, (12,), logits)
        doc["logits"][run] = logits
        doc["hyperband"][run] = history(hyperband, run, 170, both)
        doc["asha"][run] = history(asha, run, 170, both)
        doc["bohb"][run] = history(hyperband, run, 170, both, Model(2))
    doc["brackets"] = {"1 to 81, eta 3": brackets(1, 81, 3), "1 to 12, eta 3": brackets(1, 12, 3), "two rungs": brackets(1, 3, 3)}
    s = Stream(1, 2, "golden")
    cells = [s.cell() for _ in range(24)]
    tests = [s.cell() for _ in range(6)]
    kernel = Kernel(cells)
    doc["kernel"] = {"cells": [INDEX[c] for c in cells], "tests": [INDEX[c] for c in tests],
                     "bandwidth": kernel.bandwidth, "pdf": [kernel.pdf(t) for t in tests]}
    doc["process"] = process(cells, [value(c) for c in cells], tests)
    doc["values"] = [[i, value(CELLS[i]), value(CELLS[i], 200)] for i in (0, 11, 9930)]
    print("{" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in doc.items()) + "}")


if __name__ == "__main__":
    main()
