"""Checks parts of the script against PyTorch's own operations, against plain
loops, and against arrays that Go computed (in the folder of the argument)."""

import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

import nbpipe_data
import nbpipe_network
import nbpipe_tensors

torch.manual_seed(1)
DEVICE = torch.device(os.environ.get("NBPIPE_TEST_DEVICE", "cpu"))


def node(kernel, stride, padding):
    return {"kernel": kernel, "stride": stride, "padding": dict(zip(("top", "bottom", "left", "right"), padding))}


def gradient(f, x):
    x = x.clone().requires_grad_()
    y = f(x)
    (g,) = torch.autograd.grad((y * torch.arange(y.numel(), dtype=y.dtype, device=y.device).view(y.shape)).sum(), x)
    return y.detach(), g


def same(a, b, what):
    assert torch.allclose(a.cpu(), b.cpu(), rtol=1e-12, atol=1e-12), what


def max_pools():
    x = torch.randint(0, 4, (2, 3, 7, 9)).double()  # many ties
    for kernel, stride, pad in (((3, 3), (1, 1), 1), ((2, 3), (2, 1), 0), ((3, 2), (2, 2), 1)):
        p = F.pad(x, (pad, pad, pad, pad), value=float("-inf"))
        mine = gradient(lambda v: nbpipe_network.WindowMax.apply(v, kernel, stride), p.to(DEVICE))
        theirs = gradient(lambda v: F.max_pool2d(v, kernel, stride), p)
        same(mine[0], theirs[0], "max pool %s" % (kernel,))
        same(mine[1], theirs[1], "gradient of max pool %s" % (kernel,))
    y, _ = gradient(lambda v: nbpipe_network.max_pool(v, node([2, 2], [1, 1], (0, 1, 0, 1))), x.to(DEVICE))
    same(y, F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-1.0), 2, 1), "max pool with sides that differ")


def average_pools():
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    for kernel, stride, (top, bottom, left, right) in (([3, 3], [1, 1], (1, 1, 1, 1)), ([2, 2], [1, 1], (0, 1, 0, 1)), ([3, 2], [2, 1], (2, 0, 1, 0))):
        y = nbpipe_network.average_pool(x.to(DEVICE), node(kernel, stride, (top, bottom, left, right)))
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                low, left_edge = i * stride[0] - top, j * stride[1] - left
                part = x[:, :, max(low, 0):low + kernel[0], max(left_edge, 0):left_edge + kernel[1]]
                same(y[:, :, i, j], part.mean((2, 3)), "average pool %s at %d, %d" % (kernel, i, j))


def against_go(folder):
    load = lambda name: np.load(os.path.join(folder, name))
    with open(os.path.join(folder, "facts.json")) as f:
        facts = json.load(f)
    for name, spec in facts["sets"].items():
        for kind in (torch.float32, torch.float64):
            data = nbpipe_data.Data(spec, DEVICE, kind)
            x, answer = data.batch(load(name + "-rows.npy"), facts["cutout"])
            assert np.array_equal(x.cpu().numpy(), load(name + "-seen.npy")), "augmentation of %s differs from Go's" % name
            if os.path.exists(os.path.join(folder, name + "-answers.npy")):
                target, counts = nbpipe_data.parted(answer)
                assert np.array_equal(target.cpu().numpy(), load(name + "-answers.npy")), "targets of %s differ from Go's" % name
                if counts is not None:
                    assert np.array_equal(counts.cpu().numpy(), load(name + "-counted.npy")), "counts of %s differ from Go's" % name
    kept = nbpipe_network.dropout(torch.ones(facts["elements"], device=DEVICE), facts["rate"], facts["key"]) > 0
    assert np.array_equal(kept.cpu().numpy(), load("kept.npy") > 0), "dropout mask differs from Go's"
    x = torch.ones(2, 3, requires_grad=True)
    y = nbpipe_network.dropout(x, 0.5, facts["key"])
    assert set(y.flatten().tolist()) <= {0.0, 2.0}, y
    tensors, metadata = nbpipe_tensors.read_tensors(os.path.join(folder, "tensors.safetensors"))
    nbpipe_tensors.write_tensors(os.path.join(folder, "again.safetensors"), tensors, metadata)


if __name__ == "__main__":
    max_pools()
    average_pools()
    against_go(sys.argv[1])
