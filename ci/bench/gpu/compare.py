#!/usr/bin/env python3
"""Runs the Go program given as the argument beside a plain loop of PyTorch on the
same GPU: with the engine's settings (equal bits twice, no TF32), and as PyTorch
comes. Prints images per second of wall time and the ratios, medians of ROUNDS."""
import json
import os
import statistics
import subprocess
import sys
import time

os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../../stages/nn/gorgonia/testdata"))
import reference  # the PyTorch form of a network's description

CELLS = {
    "all 3x3": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "mixed": "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
}
BATCH, STEPS, EPOCHS = 256, 10, 4
ROUNDS = int(os.environ.get("ROUNDS", "3"))


def strict(on):
    torch.use_deterministic_algorithms(on)
    torch.backends.cudnn.deterministic = on
    torch.backends.cudnn.allow_tf32 = not on


def peer(network, precision):
    weights = {p["name"]: torch.randn(p["shape"], device="cuda") * 0.05 for p in network["parameters"]}
    params = [w.requires_grad_() for w in weights.values()]
    start = {"ones": torch.ones, "zeros": torch.zeros}
    weights.update({b["name"]: start[b["init"]["name"]](b["shape"], device="cuda") for b in network["buffers"]})
    x = torch.randn(BATCH * STEPS, 3, 32, 32, device="cuda")
    labels = torch.randint(100, (len(x),), device="cuda")
    optimiser = torch.optim.SGD(params, 0.01, 0.9, weight_decay=5e-4, nesterov=True)
    for epoch in range(1 + EPOCHS):
        if epoch == 1:
            torch.cuda.synchronize()
            began = time.monotonic()
        for rows in torch.randperm(len(x), device="cuda").split(BATCH):
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "mixed"):
                out = reference.forward(network, {}, weights, x[rows], True)
            F.cross_entropy(out.float(), labels[rows]).backward()
            optimiser.step()
    torch.cuda.synchronize()
    return EPOCHS * len(x) / (time.monotonic() - began)


def main():
    program = sys.argv[1]
    print("%s, PyTorch %s" % (torch.cuda.get_device_name(0), torch.__version__))
    for name, cell in CELLS.items():
        network = json.loads(subprocess.run([program, "-describe", "-cell", cell], check=True, capture_output=True).stdout)
        for precision in ("float32", "mixed"):
            command = [program, "-python", sys.executable, "-cell", cell, "-precision", precision,
                       "-batch", str(BATCH), "-steps", str(STEPS), "-epochs", str(EPOCHS)]
            sides = [[], [], []]
            for _ in range(ROUNDS):
                sides[0].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["per_second"])
                for side, on in ((1, True), (2, False)):
                    strict(on)
                    sides[side].append(peer(network, precision))
            ours, same, free = (statistics.median(s) for s in sides)
            print("C=16, N=5, batch %d, %s cell, %s: %.0f images/s; the same settings %.0f: ratio %.2f; as PyTorch comes %.0f: ratio %.2f"
                  % (BATCH, name, precision, ours, same, ours / same, free, ours / free), flush=True)


if __name__ == "__main__":
    main()
