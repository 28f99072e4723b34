"""Samples, batches with their augmentation, losses and metrics."""

import numpy as np
import torch
import torch.nn.functional as F

from nbpipe_tensors import map_array

# A data set of at most this share of the GPU's free memory is kept there.
RESIDENT_SHARE = 0.25


class Array:
    """An .npy file that batches are taken from."""

    def __init__(self, spec, device, dtype):
        self.source = map_array(spec["path"], spec["shape"])
        self.storage = np.int64 if dtype == torch.int64 else np.float32
        self.device, self.dtype = device, dtype
        self.resident = None
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            if self.source.size * self.storage().itemsize <= RESIDENT_SHARE * free:
                self.resident = self.load(slice(None))

    def load(self, rows):
        # Copied: a mapped file must not be written through a tensor.
        return torch.from_numpy(np.array(self.source[rows], dtype=self.storage)).to(self.device)

    def take(self, rows):
        if self.resident is None:
            return self.load(rows).to(self.dtype)
        return self.resident.index_select(0, torch.from_numpy(rows).to(self.device)).to(self.dtype)


class Data:
    """Inputs with labels or targets."""

    def __init__(self, spec, device, dtype):
        self.device = device
        self.inputs = Array(spec["inputs"], device, dtype)
        self.answers = None
        if spec.get("labels"):
            self.answers = Array(spec["labels"], device, torch.int64)
        elif spec.get("targets"):
            self.answers = Array(spec["targets"], device, dtype)

    def __len__(self):
        return self.inputs.source.shape[0]

    def batch(self, plan, cutout=0):
        """The samples of a plan's rows: an index, and with augmentation the
        change of the image. See nn.Batch."""
        rows = np.ascontiguousarray(plan[:, 0], dtype=np.int64)
        x = self.inputs.take(rows)
        if plan.shape[1] > 1:
            changes = torch.from_numpy(plan[:, 1:].astype(np.int64)).to(self.device)
            x = change(x, changes, cutout)
        return x, None if self.answers is None else self.answers.take(rows)


def change(x, changes, cutout):
    """Shifts, mirrors and cuts images as nn.Change says."""
    samples, _, height, width = x.shape
    dy, dx, flip, cut_y, cut_x = (changes[:, i:i + 1] for i in range(5))
    rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    ys = rows + dy
    xs = torch.where(flip != 0, width - 1 - columns, columns) + dx
    inside = ((ys >= 0) & (ys < height))[:, :, None] & ((xs >= 0) & (xs < width))[:, None, :]
    if cutout > 0:
        cut_rows = (rows >= cut_y) & (rows < cut_y + cutout)
        cut_columns = (columns >= cut_x) & (columns < cut_x + cutout)
        inside &= ~(cut_rows[:, :, None] & cut_columns[:, None, :])
    ys, xs = ys.clamp(0, height - 1), xs.clamp(0, width - 1)
    which = torch.arange(samples, device=x.device)[:, None, None]
    moved = x[which, :, ys[:, :, None], xs[:, None, :]].permute(0, 3, 1, 2)
    return torch.where(inside[:, None], moved, torch.zeros((), dtype=x.dtype, device=x.device)).contiguous()


def ordered(samples, size):
    """Plans of all samples in order."""
    for low in range(0, samples, size):
        yield np.arange(low, min(low + size, samples), dtype=np.int64)[:, None]


class Decoder:
    """Maps outputs to the targets' unit: output x scale + shift."""

    def __init__(self, spec, shape, device, dtype):
        self.scale = None
        if spec:
            place = lambda v: torch.tensor(v, dtype=torch.float64).to(device=device, dtype=dtype).view(shape)
            self.scale, self.shift = place(spec["scale"]), place(spec["shift"])

    def __call__(self, out):
        return out if self.scale is None else out * self.scale + self.shift


def relative_norms(out, target):
    difference = torch.linalg.vector_norm((out - target).flatten(1), dim=1)
    return difference / torch.linalg.vector_norm(target.flatten(1), dim=1)


def loss_of(name, out, answer):
    """The loss that is minimised over a batch."""
    if name == "cross_entropy":
        return F.cross_entropy(out, answer)
    if name == "bce":
        return F.binary_cross_entropy_with_logits(out, answer)
    if name == "mse":
        return F.mse_loss(out, answer)
    if name == "relative_l2":
        return relative_norms(out, answer).sum()
    if name == "sum":
        return out.sum()
    raise ValueError("unknown loss %r" % name)


def metric_sum(name, out, answer, loss_sum):
    """The sum over a batch's samples of the metric."""
    if name == "error":
        return (out.argmax(1) != answer).sum()
    if name == "relative_l2":
        return relative_norms(out, answer).sum()
    if name == "mse":
        return (out - answer).square().flatten(1).mean(1).sum()
    if name == "loss":
        return loss_sum
    raise ValueError("unknown metric %r" % name)


def sums(loss_name, metric_name, loss, out, answer):
    """Sums over a batch's samples of loss and metric, on the device."""
    with torch.no_grad():
        whole = loss.detach() * (1 if loss_name in ("relative_l2", "sum") else out.shape[0])
        return torch.stack([whole.double(), metric_sum(metric_name, out, answer, whole).double()])
