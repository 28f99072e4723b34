#!/usr/bin/env python3
"""Independent computation of what searches that shrink the space must do: shrink.json.

    python3 shrink.py > shrink.json

Plain Python, written from the descriptions of the algorithms; random streams,
budgets and made values are those of golden.py.
"""
import json

from golden import CELLS, INDEX, Run, Spent, neighbours


def draw(s, pool, n):
    rest, out = list(pool), []
    while rest and len(out) < n:
        i = s.below(len(rest))
        out.append(rest[i])
        rest[i] = rest[-1]
        rest.pop()
    return out


class Shrinking:
    def __init__(self, run):
        self.run, self.known, self.space = run, {}, list(CELLS)

    def see(self, cells):
        for c in cells:
            if c not in self.known:
                self.known[c] = self.run.evaluate(c)


def numbered(cells):
    return sorted(cells, key=INDEX.get)


def lissnas(k, sample, seeds, rounds):
    s, space, average = k.run.stream, k.space, None
    for _ in range(rounds + 1):
        picked = draw(s, space, sample)
        k.see(picked)
        mean = sum(k.known[c] for c in picked) / len(picked)
        if average is not None and mean <= average:
            break
        k.space, average = space, mean
        best = sorted(picked, key=lambda c: -k.known[c])[:seeds]
        space = numbered(set(best).union(*(neighbours(c) for c in best)))
    k.see(draw(s, k.space, len(k.space)))


def pruning(k, per_edge, sample, size):
    left = [set(range(5)) for _ in range(6)]

    def product(sets):
        n = 1
        for x in sets:
            n *= len(x)
        return n

    while True:
        options = []
        for edges in ([[e] for e in range(6)] if per_edge else [range(6)]):
            for op in range(5):
                after = [left[e] - {op} if e in edges else left[e] for e in range(6)]
                if after != left and product(after) >= size:
                    options.append((list(edges), op, after))
        if not options:
            break
        inside, fresh = [c for c in k.space if c in k.known], []
        while len(inside) + len(fresh) < min(sample, len(k.space)):
            c = tuple(sorted(x)[k.run.stream.below(len(x))] for x in left)
            if c not in k.known and c not in fresh:
                fresh.append(c)
        k.see(fresh)
        inside += fresh
        averages = []
        for edges, op, after in options:
            values = [k.known[c] for c in inside for e in edges if c[e] == op]
            averages.append((sum(values) / len(values) if values else float("inf"), after))
        if min(averages, key=lambda a: a[0])[0] == float("inf"):
            break
        left = min(averages, key=lambda a: a[0])[1]
        k.space = [c for c in k.space if all(op in x for op, x in zip(c, left))]
    k.see(draw(k.run.stream, k.space, len(k.space)))


def autoshrink(k, number):
    cell = tuple(1 + number // 4**e % 4 for e in range(6))
    k.see([cell])
    while any(cell):
        tries = []
        for e in range(6):
            if not cell[e]:
                continue
            a, b, c, d, f, g = (0 if i == e else op for i, op in enumerate(cell))  # 0-1 0-2 1-2 0-3 1-3 2-3
            if not a:
                c = f = 0
            if not b and not c:
                g = 0
            if (a, b, c, d, f, g) not in tries:
                tries.append((a, b, c, d, f, g))
        k.see(tries)
        cell = max(tries, key=k.known.get)


def history(algorithm, run, budget, *more):
    k = Shrinking(Run(777, run, budget))
    try:
        algorithm(k, *more)
    except Spent:
        pass
    return {"steps": [h[0] for h in k.run.history], "space": [INDEX[c] for c in numbered(k.space)] if len(k.space) < 15625 else []}


def main():
    doc = {}
    for run in (0, 7):
        doc.setdefault("lissnas", {})[run] = history(lissnas, run, 170, 50, 10, 5)
        doc.setdefault("pruning", {})[run] = history(pruning, run, 170, False, 50, 250)
        doc.setdefault("pruning edges", {})[run] = history(pruning, run, 170, True, 40, 250)
        doc.setdefault("pruning edges, all", {})[run] = history(pruning, run, 400, True, 40, 20)
        doc.setdefault("autoshrink", {})[run] = history(autoshrink, run, 170, run)
    print("{" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in doc.items()) + "}")


if __name__ == "__main__":
    main()
