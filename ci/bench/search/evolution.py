#!/usr/bin/env python3
"""Regularized evolution on a benchmark table, in plain Python.

Written from the description of NATS-Bench's protocol and independent of the Go
code: cells are tuples, the random numbers are Python's. Two uses:

* the peer of ci/bench/search/run.sh, which prints evaluations a second;
* a cross-check: the mean final regret over many runs has to agree with Go's
  within its standard error, on the same table.

    evolution.py --table FILE --budget 170 --runs 500 --seed 1

FILE has a value a line, by base-5 number of the cell (edge 0-1 slowest).
"""
import argparse
import collections
import json
import random
import statistics
import time

OPS, NODES = 5, 3
EDGES_INTO = {1: [0], 2: [1, 2], 3: [3, 4, 5]}
WEIGHTS = [5 ** (5 - e) for e in range(6)]


def mutate(cell, draw):
    node = draw.randint(1, NODES)
    edge = draw.choice(EDGES_INTO[node])
    op = draw.randrange(OPS)
    while op == cell[edge]:
        op = draw.randrange(OPS)
    return cell[:edge] + (op,) + cell[edge + 1:]


def number(cell):
    n = 0
    for op in cell:
        n = n * OPS + op
    return n


def search(values, budget, draw, population_size=10, sample_size=3):
    """The best value that one run finds."""
    population, best = collections.deque(), float("-inf")
    for _ in range(min(budget, population_size)):
        cell = tuple(draw.randrange(OPS) for _ in range(6))
        value = values[number(cell)]
        population.append((value, cell))
        best = max(best, value)
    for _ in range(budget - population_size):
        parent = max((population[draw.randrange(len(population))] for _ in range(sample_size)), key=lambda m: m[0])
        cell = mutate(parent[1], draw)
        value = values[number(cell)]
        best = max(best, value)
        population.append((value, cell))
        population.popleft()
    return best


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--table", required=True)
    options.add_argument("--budget", type=int, default=170)
    options.add_argument("--runs", type=int, default=500)
    options.add_argument("--seed", type=int, default=1)
    args = options.parse_args()
    with open(args.table) as f:
        values = [float(line) for line in f]
    optimum = max(values)
    draw = random.Random(args.seed)
    start = time.perf_counter()
    regrets = [optimum - search(values, args.budget, draw) for _ in range(args.runs)]
    took = time.perf_counter() - start
    print(json.dumps({
        "evaluations_per_s": args.runs * args.budget / took,
        "mean_regret": statistics.mean(regrets),
        "standard_error": statistics.stdev(regrets) / args.runs ** 0.5,
    }))


if __name__ == "__main__":
    main()
