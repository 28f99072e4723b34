#!/usr/bin/env python3
"""Does with PyTorch, on one thread, what the Go program given as the first
argument does with the same options, and prints the same JSON."""
import argparse
import json
import os
import resource
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../stages/nn/gorgonia/testdata"))
import reference  # the PyTorch form of a network's description

WARM_UP = 2


def train(options, network):
    torch.manual_seed(1)
    weights, shapes = {}, {}
    for p in network["parameters"] + network["buffers"]:
        fan = p["init"].get("fan", 1)
        start = {"ones": torch.ones, "zeros": torch.zeros}.get(p["init"]["name"], lambda s: (2 * torch.rand(s) - 1) * fan**-0.5)
        weights[p["name"]] = start(p["shape"])
    params = [weights[p["name"]].requires_grad_() for p in network["parameters"]]
    x, labels = torch.randn(options.batch, 3, 32, 32), torch.randint(10, (options.batch,))
    optimiser = torch.optim.SGD(params, 0.01, 0.9, weight_decay=5e-4, nesterov=True)
    for step in range(WARM_UP + options.steps):
        if step == WARM_UP:
            start = time.process_time()
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(reference.forward(network, shapes, weights, x, True), labels).backward()
        optimiser.step()
    return options.steps * options.batch / (time.process_time() - start)


def multiply(options):
    a, b = torch.randn(options.size, options.size), torch.randn(options.size, options.size)
    torch.mm(a, b)
    start = time.process_time()
    for _ in range(options.steps):
        torch.mm(a, b)
    return 2 * options.size**3 * options.steps / (time.process_time() - start)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("-what", default="train")
    parser.add_argument("-cell")
    for name in ("channels", "cells", "batch", "steps", "size"):
        parser.add_argument("-" + name, type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.what == "gemm":
        speed = multiply(options)
    else:
        command = [options.program, "-what=network", f"-cell={options.cell}", f"-channels={options.channels}", f"-cells={options.cells}"]
        speed = train(options, json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    print(json.dumps({"per_second": speed, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
