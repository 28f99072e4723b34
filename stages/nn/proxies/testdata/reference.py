#!/usr/bin/env python3
"""Computes the zero-cost proxies of NAS-Bench-201 cells with PyTorch's
automatic differentiation, independently of the Go code.

Usage: reference.py FOLDER > golden.json

`go test ./stages/nn/proxies -run TestExport -export FOLDER` writes the folder:
cases.json, and for each case its batch and a file of weights for each cell. All
is computed in float64. Definitions are those of the papers and of
mohsaied/zero-cost-nas; networks are built here from a cell's text, and only the
weights' names are the Go code's. Needs numpy and torch.
"""
import hashlib
import json
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]


def safetensors(path):
    with open(path, "rb") as f:
        blob = f.read()
    (size,) = struct.unpack("<Q", blob[:8])
    header = json.loads(blob[8:8 + size])
    out = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        lo, hi = entry["data_offsets"]
        dtype = {"F32": "<f4", "F64": "<f8"}[entry["dtype"]]
        array = np.frombuffer(blob[8 + size + lo:8 + size + hi], dtype).reshape(entry["shape"])
        out[name] = torch.tensor(array.astype(np.float64))
    return out, hashlib.sha256(blob).hexdigest()


def operations(cell):
    """The operation on each of EDGES of a cell's text."""
    return [part.split("~")[0] for node in cell.split("+") for part in node.strip("|").split("|")]


class Network:
    """The network of NAS-Bench-201, section 2, around a cell."""

    def __init__(self, cell, cells, weights, normalised=True):
        self.ops, self.cells, self.w, self.normalised = operations(cell), cells, weights, normalised
        self.acts = []  # (output, weight) of each convolution and linear layer

    def keep(self, y, name):
        if y.requires_grad:
            y.retain_grad()
        self.acts.append((y, self.w[name]))
        return y

    def conv(self, x, name, stride=1):
        w = self.w[name + ".weight"]
        return self.keep(F.conv2d(x, w, stride=stride, padding=w.shape[-1] // 2), name + ".weight")

    def norm(self, x, name):
        if not self.normalised:
            return x
        return F.batch_norm(x, None, None, self.w[name + ".weight"], self.w[name + ".bias"], training=True, eps=1e-5)

    def relu_conv_norm(self, x, name, stride=1):
        return self.norm(self.conv(torch.relu(x), name + ".conv", stride), name + ".bn")

    def cell(self, x, name):
        nodes = [x]
        for to in (1, 2, 3):
            total = torch.zeros_like(x)
            for (a, b), op in zip(EDGES, self.ops):
                if b != to or op == "none":
                    continue
                h = nodes[a]
                if op == "avg_pool_3x3":
                    h = F.avg_pool2d(h, 3, stride=1, padding=1, count_include_pad=False)
                elif op != "skip_connect":
                    h = self.relu_conv_norm(h, f"{name}.edge{a}-{b}")
                total = total + h
            nodes.append(total)
        return nodes[3]

    def reduction(self, x, name):
        h = self.relu_conv_norm(self.relu_conv_norm(x, name + ".a", 2), name + ".b")
        return self.conv(F.avg_pool2d(x, 2), name + ".short.conv") + h

    def __call__(self, x):
        x = self.norm(self.conv(x, "stem.conv"), "stem.bn")
        for stage in (1, 2, 3):
            if stage > 1:
                x = self.reduction(x, f"stage{stage}.reduction")
            for i in range(self.cells):
                x = self.cell(x, f"stage{stage}.cell{i + 1}")
        x = torch.relu(self.norm(x, "last.bn")).mean((2, 3))
        y = F.linear(x, self.w["classifier.weight"], self.w["classifier.bias"])
        return self.keep(y, "classifier.weight")


def fresh(weights, absolute=False):
    return {k: (v.abs() if absolute else v).clone().requires_grad_(True) for k, v in weights.items() if "running" not in k}


def prunable(weights):
    """Convolution and linear weights: all with more than one dimension."""
    return {k: v for k, v in weights.items() if v.dim() > 1}


def loss_proxies(cell, cells, weights, x, labels):
    net = Network(cell, cells, fresh(weights))
    loss = F.cross_entropy(net(x), labels)
    loss.backward()
    scores = {"grad_norm": 0.0, "snip": 0.0, "fisher": 0.0}
    for w in prunable(net.w).values():
        if w.grad is not None:
            scores["grad_norm"] += w.grad.norm().item()
            scores["snip"] += (w * w.grad).abs().sum().item()
    for act, w in net.acts:
        if act.grad is None:
            continue
        g = act * act.grad
        g = g.sum((2, 3)) if g.dim() == 4 else g
        channel = g.pow(2).mean(0) / 2
        scores["fisher"] += (channel.reshape(-1, *[1] * (w.dim() - 1)).expand_as(w)).sum().item()
    return scores


def grasp(cell, cells, weights, x, labels):
    net = Network(cell, cells, fresh(weights))
    ws = list(prunable(net.w).values())
    loss = F.cross_entropy(net(x), labels)
    grads = torch.autograd.grad(loss, ws, create_graph=True, allow_unused=True)
    z = sum((g.detach() * g).sum() for g in grads if g is not None)
    if not z.requires_grad:
        return 0.0
    hessian = torch.autograd.grad(z, ws, allow_unused=True)
    return -sum((w * h).sum().item() for w, h in zip(ws, hessian) if h is not None)


def jacob_cov(cell, cells, weights, x):
    x = x.clone().requires_grad_(True)
    y = Network(cell, cells, fresh(weights))(x)
    (jacobian,) = torch.autograd.grad(y.sum(), x, allow_unused=True)
    if jacobian is None:
        return None
    with np.errstate(all="ignore"):
        correlations = np.corrcoef(jacobian.reshape(len(x), -1).numpy())
    if not np.isfinite(correlations).all():
        return None
    v = np.linalg.eigvalsh(correlations)
    return -np.sum(np.log(v + 1e-5) + 1 / (v + 1e-5))


def synflow(cell, cells, weights, x):
    net = Network(cell, cells, fresh(weights, absolute=True), normalised=False)
    net(torch.ones_like(x[:1])).sum().backward()
    return sum((w * w.grad).abs().sum().item() for w in prunable(net.w).values() if w.grad is not None)


def flops(cell, cells, weights, x):
    """Multiply-accumulates of one image, by the shapes that really occur, plus
    those of edges that lead nowhere, which the network above runs as well."""
    net = Network(cell, cells, weights)
    net(x[:1])
    total = sum(w.numel() * (a.shape[2] * a.shape[3] if a.dim() == 4 else 1) for a, w in net.acts)
    return (total + len(weights["classifier.bias"])) / 1e6


def main(folder):
    with open(os.path.join(folder, "cases.json")) as f:
        cases = json.load(f)
    for case in cases:
        path = os.path.join(folder, case["name"])
        x = torch.tensor(np.load(path + "-inputs.npy").astype(np.float64))
        labels = torch.tensor(np.load(path + "-labels.npy").astype(np.int64))
        case["scores"] = []
        for cell in case["cells"]:
            weights, digest = safetensors(f"{path}-{cell['number']}.safetensors")
            text, cells = cell["cell"], case["n"]
            scores = loss_proxies(text, cells, weights, x, labels)
            scores["grasp"] = grasp(text, cells, weights, x, labels)
            scores["jacob_cov"] = jacob_cov(text, cells, weights, x)
            scores["synflow"] = synflow(text, cells, weights, x)
            scores["params"] = sum(w.numel() for k, w in weights.items() if "running" not in k) / 1e6
            scores["flops"] = flops(text, cells, weights, x)
            case["scores"].append({"number": cell["number"], "weights": digest, "scores": scores})
            print(case["name"], cell["number"], file=sys.stderr)
        del case["cells"]
    json.dump({"torch": torch.__version__, "cases": cases}, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main(sys.argv[1])
