#!/usr/bin/env python3
"""Trains a network with PyTorch: the reference of parity_test.go.

Standard input: JSON with a network, its weights, data, batches and a recipe.
Standard output: JSON with rates, losses, gradients of the first step, running
statistics and an evaluation. It builds the network from the description by
PyTorch's own operations and shares no code with any engine.
"""
import json
import math
import sys

import torch
import torch.nn.functional as F


def convolve(x, node, weights):
    p = node.get("padding", {})
    x = F.pad(x, [p.get("left", 0), p.get("right", 0), p.get("top", 0), p.get("bottom", 0)])
    return F.conv2d(x, weights[node["weight"]], stride=node["stride"], dilation=node["dilation"])


def average(x, node):
    p = node.get("padding", {})
    return F.avg_pool2d(x, node["kernel"], node["stride"], (p.get("top", 0), p.get("left", 0)), count_include_pad=False)


def maximum(x, node):
    p = node.get("padding", {})
    return F.max_pool2d(x, node["kernel"], node["stride"], (p.get("top", 0), p.get("left", 0)))


def linear(x, node, weights):
    w, b = weights[node["weight"]], weights.get(node.get("bias"))
    if x.dim() == 2:
        return F.linear(x, w, b)
    return F.linear(x.permute(0, 2, 3, 1), w, b).permute(0, 3, 1, 2)


def normalise(x, node, weights, training):
    return F.batch_norm(x, weights[node["mean"]], weights[node["variance"]], weights[node["weight"]],
                        weights[node["bias"]], training, node["momentum"], node["epsilon"])


def needed(network):
    """Names of the nodes that the output depends on."""
    names = {network["output"]}
    for node in reversed(network["nodes"]):
        if node["name"] in names and node["op"] != "zero":
            names.update(node["inputs"])
    return names


def forward(network, shapes, weights, x, training):
    values, live = {"input": x}, needed(network)
    for node in network["nodes"]:
        if node["name"] not in live:
            continue
        ins = [values[i] for i in node["inputs"] if i in values]
        op = node["op"]
        if op == "conv2d":
            y = convolve(ins[0], node, weights)
        elif op == "batch_norm":
            y = normalise(ins[0], node, weights, training)
        elif op == "relu":
            y = F.relu(ins[0])
        elif op == "avg_pool":
            y = average(ins[0], node)
        elif op == "max_pool":
            y = maximum(ins[0], node)
        elif op == "add":
            y = sum(ins[1:], ins[0])
        elif op == "concat":
            y = torch.cat(ins, 1)
        elif op == "global_avg_pool":
            y = ins[0].mean((2, 3))
        elif op == "linear":
            y = linear(ins[0], node, weights)
        elif op == "zero":
            y = torch.zeros([len(x)] + shapes[node["name"]], dtype=x.dtype)
        else:
            raise SystemExit(f"unknown operation {op}")
        values[node["name"]] = y
    return values[network["output"]]


def loss_of(spec, y, target):
    """The loss of a batch, and the mean over samples that is reported."""
    n = y.shape[0]
    if "scale" in spec:
        dtype = y.dtype
        y = y * torch.tensor(spec["scale"], dtype=dtype).view(y.shape[1:]) + torch.tensor(spec["shift"], dtype=dtype).view(y.shape[1:])
    name = spec["recipe"]["loss"]
    if name == "cross_entropy":
        value = F.cross_entropy(y, target)
    elif name == "bce":
        value = F.binary_cross_entropy_with_logits(y, target)
    elif name == "mse":
        value = F.mse_loss(y, target)
    else:
        d, t = (y - target).reshape(n, -1), target.reshape(n, -1)
        value = (d.norm(dim=1) / t.norm(dim=1)).sum()
        return value, value.item() / n
    return value, value.item()


def summary(t):
    """What is compared of a tensor: its norm, and its product with cosines."""
    flat = t.detach().double().reshape(-1)
    wave = torch.cos(torch.arange(len(flat), dtype=torch.float64))
    return [flat.norm().item(), (flat * wave).sum().item()]


def schedule(recipe, optimiser):
    s = recipe["schedule"]
    if s["name"] == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe["epochs"])
    if s["name"] == "steps":
        return torch.optim.lr_scheduler.MultiStepLR(optimiser, s["milestones"], s["factor"])
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda epoch: 1)


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    spec = json.load(sys.stdin)
    network, recipe = spec["network"], spec["recipe"]
    dtype = {"float32": torch.float32, "float64": torch.float64}[recipe["precision"]]
    weights = {n: torch.tensor(w["Data"], dtype=dtype).view(w["Shape"]) for n, w in spec["weights"].items()}
    params = [p["name"] for p in network["parameters"]]
    for name in params:
        weights[name].requires_grad_()
    inputs = torch.tensor(spec["inputs"], dtype=torch.float32).to(dtype).view(spec["inputs_shape"])
    if recipe["loss"] == "cross_entropy":
        targets = torch.tensor(spec["labels"])
    else:
        targets = torch.tensor(spec["targets"], dtype=torch.float32).to(dtype).view(spec["targets_shape"])
    o = recipe["optimizer"]
    optimiser = torch.optim.SGD([weights[n] for n in params], o["learning_rate"], o["momentum"],
                                weight_decay=o["weight_decay"], nesterov=o["nesterov"])
    rates = schedule(recipe, optimiser)
    result = {"rates": [], "losses": [], "gradients": {}}
    for epoch in spec["batches"]:
        result["rates"].append(optimiser.param_groups[0]["lr"])
        for batch in epoch:
            at = torch.tensor(batch)
            optimiser.zero_grad(set_to_none=True)
            value, reported = loss_of(spec, forward(network, spec["shapes"], weights, inputs[at], True), targets[at])
            value.backward()
            if not result["losses"]:
                for n in params:
                    if weights[n].grad is not None:
                        result["gradients"][n] = summary(weights[n].grad)
            optimiser.step()
            result["losses"].append(reported)
        rates.step()
    with torch.no_grad():
        y = forward(network, spec["shapes"], weights, inputs, False)
        result["evaluation"] = loss_of(spec, y, targets)[1]
        result["output"] = summary(y)
    result["weights"] = {n: summary(w) for n, w in weights.items()}
    assert all(math.isfinite(v) for v in result["losses"])
    json.dump(result, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
