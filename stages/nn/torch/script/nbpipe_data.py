"""Samples, batches with their augmentation, losses and metrics."""

import numpy as np
import torch
import torch.nn.functional as F

from nbpipe_tensors import map_array

# A data set of at most this share of the GPU's free memory is kept there.
RESIDENT_SHARE = 0.25


class Files:
    """Rows of an array that lies in several .npy files: nn.Files."""

    def __init__(self, spec, shape):
        self.shape, self.size = tuple(shape), int(np.prod(shape, dtype=np.int64))
        self.maps = [map_array(p["path"], p["shape"]) for p in spec["parts"]]
        self.starts = np.cumsum([0] + [len(m) for m in self.maps])
        self.axes = spec["axes"]
        self.firsts = np.array([r["first"] for r in spec["rows"]], dtype=np.int64)
        self.offsets = np.cumsum([0] + [r["count"] for r in spec["rows"]])

    def __getitem__(self, rows):
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.shape[0]), dtype=np.int64)
        span = np.searchsorted(self.offsets, rows, "right") - 1
        at = self.firsts[span] + rows - self.offsets[span]
        part = np.searchsorted(self.starts, at, "right") - 1
        out = np.empty((len(rows),) + self.maps[0].shape[1:], dtype=self.maps[0].dtype)
        for p in np.unique(part):
            chosen = np.flatnonzero(part == p)
            out[chosen] = self.maps[p][at[chosen] - self.starts[p]]
        return out.transpose([a for a in self.axes if a >= 0]).reshape((len(rows),) + self.shape[1:])


def source_of(spec):
    if spec.get("files"):
        return Files(spec["files"], spec["shape"])
    return map_array(spec["path"], spec["shape"])


# Samples that are copied to a GPU at a time.
COPIED = 4096


class Array:
    """An array that batches are taken from."""

    def __init__(self, spec, device, dtype):
        self.source = source_of(spec)
        self.storage = np.int64 if dtype == torch.int64 else np.float32
        self.device, self.dtype = device, dtype
        self.resident = None
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            if self.source.size * self.storage().itemsize <= RESIDENT_SHARE * free:
                low = range(0, self.source.shape[0], COPIED)
                self.resident = torch.cat([self.load(slice(i, i + COPIED)) for i in low])

    def load(self, rows):
        # Copied: a mapped file must not be written through a tensor.
        return torch.from_numpy(np.array(self.source[rows], dtype=self.storage)).to(self.device)

    def take(self, rows):
        if self.resident is None:
            return self.load(rows).to(self.dtype)
        return self.resident.index_select(0, torch.from_numpy(rows).to(self.device)).to(self.dtype)


class Pairs:
    """Windows of square maps: nn.Pairs."""

    def __init__(self, spec):
        self.lengths = np.array(spec["lengths"], dtype=np.int64)
        self.rows = np.cumsum(np.concatenate([[0], self.lengths]))
        self.pixels = np.cumsum(np.concatenate([[0], self.lengths * self.lengths]))
        self.sequence, self.maps, self.targets = (source_of(spec[n]) for n in ("sequence", "maps", "targets"))
        self.windows = np.array(map_array(spec["windows"]["path"], spec["windows"]["shape"]), dtype=np.int64)
        self.padding, self.side, self.outside = spec["padding"], spec["side"], spec["outside"]

    def covered(self, length, start):
        low, high = max(0, start - self.padding), min(length, start + self.side - self.padding)
        return low, high, low + self.padding - start

    def window(self, record, y, x):
        length = int(self.lengths[record])
        features, planes = self.sequence.shape[1], self.maps.shape[1]
        inputs = np.zeros((2 * features + planes, self.side, self.side), dtype=np.float32)
        target = np.full((1, self.side, self.side), self.outside, dtype=np.float32)
        (top, bottom, y0), (left, right, x0) = self.covered(length, y), self.covered(length, x)
        if bottom <= top or right <= left:
            return inputs, target
        there = (slice(y0, y0 + bottom - top), slice(x0, x0 + right - left))
        sequence = np.asarray(self.sequence[self.rows[record]:self.rows[record + 1]], dtype=np.float32)
        inputs[(slice(0, 2 * features, 2),) + there] = sequence[left:right].T[:, None, :]
        inputs[(slice(1, 2 * features, 2),) + there] = sequence[top:bottom].T[:, :, None]
        first = self.pixels[record]
        pixels = slice(first + top * length, first + bottom * length)
        part = np.asarray(self.maps[pixels], dtype=np.float32).reshape(bottom - top, length, planes)
        inputs[(slice(2 * features, None),) + there] = part[:, left:right].transpose(2, 0, 1)
        target[(0,) + there] = np.asarray(self.targets[pixels]).reshape(bottom - top, length)[:, left:right]
        return inputs, target

    def batch(self, plan):
        places = self.windows[plan[:, 0]]
        if plan.shape[1] > 1:
            places[:, 1:] += plan[:, 1:3]
        found = [self.window(*(int(v) for v in place)) for place in places]
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*found))


class Data:
    """Inputs with labels or targets."""

    def __init__(self, spec, device, dtype):
        self.device, self.dtype = device, dtype
        self.pairs = Pairs(spec["pairs"]) if spec.get("pairs") else None
        if self.pairs is not None:
            return
        place = lambda name, kind=dtype: Array(spec[name], device, kind) if spec.get(name) else None
        self.inputs, self.noise, self.counts = place("inputs"), place("noise"), place("counts")
        self.answers = place("labels", torch.int64) or place("targets")
        self.levels = np.array(source_of(spec["levels"])) if spec.get("levels") else None
        self.standard = None
        if spec.get("standard"):
            self.standard = [torch.tensor(spec["standard"][n], dtype=torch.float64, device=device).view(-1, 1, 1) for n in ("mean", "std")]

    def __len__(self):
        return len(self.pairs.windows) if self.pairs is not None else self.inputs.source.shape[0]

    def batch(self, plan, cutout=0):
        """The samples of a plan's rows: an index, and with augmentation the
        change of the sample. See nn.Batch."""
        if self.pairs is not None:
            return tuple(t.to(device=self.device, dtype=self.dtype) for t in self.pairs.batch(plan))
        rows = np.ascontiguousarray(plan[:, 0], dtype=np.int64)
        x = self.inputs.take(rows)
        changes = None
        if plan.shape[1] > 1:
            changes = torch.from_numpy(plan[:, 1:6].astype(np.int64)).to(self.device)
            x = moved(x, changes)
        if plan.shape[1] > 6:
            x = self.sound(x, rows, plan[:, 6:])
        if self.standard is not None:
            mean, std = self.standard
            x = ((x.double() - mean) / std).float().to(self.dtype)
        if changes is not None and cutout > 0:
            x = cut(x, changes, cutout)
        return x, self.answer(rows)

    def answer(self, rows):
        """Labels or targets; targets with what of them counts, where not all does."""
        if self.answers is None:
            return None
        answer = self.answers.take(rows)
        return answer if self.counts is None else (answer, (self.counts.take(rows) != 0).to(self.dtype))

    def sound(self, x, rows, plan):
        """Changes values as nn.Sound says; the arithmetic is of float64, rounded
        to float32."""
        on = lambda a: torch.from_numpy(np.ascontiguousarray(a)).to(self.device)
        number = lambda column: plan[:, column].copy().view(np.float32).astype(np.float64)
        if self.levels is not None:
            added = number(0) * self.levels[rows].astype(np.float64)
            x = (x.double() + on(added)[:, None, None, None]).float().to(self.dtype)
        x = covered(x, on(plan[:, 1:9].astype(np.int64)))
        mixed = np.flatnonzero(plan[:, 9])
        if len(mixed) > 0:
            noise = self.noise.take(plan[mixed, 9].astype(np.int64) - 1)
            noise = covered(noise, on(plan[mixed, 11:19].astype(np.int64)))
            share, which = on(number(10)[mixed])[:, None, None, None], on(mixed)
            x = x.clone()
            x[which] = ((1 - share) * x[which].double() + share * noise.double()).float().to(self.dtype)
        return x


def covered(x, masks):
    """Covers rows and columns with each sample's smallest value."""
    rows, columns = torch.arange(x.shape[2], device=x.device), torch.arange(x.shape[3], device=x.device)
    hidden = torch.zeros((x.shape[0], x.shape[2], x.shape[3]), dtype=torch.bool, device=x.device)
    for i in (0, 4):
        y, height, left, width = (masks[:, i + j:i + j + 1] for j in range(4))
        hidden |= ((rows >= y) & (rows < y + height))[:, :, None]
        hidden |= ((columns >= left) & (columns < left + width))[:, None, :]
    return torch.where(hidden[:, None], x.amin((1, 2, 3), keepdim=True), x)


def moved(x, changes):
    """Shifts and mirrors images as nn.Change says."""
    samples, _, height, width = x.shape
    dy, dx, flip = (changes[:, i:i + 1] for i in range(3))
    rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    ys = rows + dy
    xs = torch.where(flip != 0, width - 1 - columns, columns) + dx
    inside = ((ys >= 0) & (ys < height))[:, :, None] & ((xs >= 0) & (xs < width))[:, None, :]
    ys, xs = ys.clamp(0, height - 1), xs.clamp(0, width - 1)
    which = torch.arange(samples, device=x.device)[:, None, None]
    found = x[which, :, ys[:, :, None], xs[:, None, :]].permute(0, 3, 1, 2)
    return torch.where(inside[:, None], found, torch.zeros((), dtype=x.dtype, device=x.device)).contiguous()


def cut(x, changes, side):
    """Sets squares to zero as nn.Change says."""
    rows, columns = torch.arange(x.shape[2], device=x.device), torch.arange(x.shape[3], device=x.device)
    y, left = changes[:, 3:4], changes[:, 4:5]
    inside = ((rows >= y) & (rows < y + side))[:, :, None] & ((columns >= left) & (columns < left + side))[:, None, :]
    return torch.where(inside[:, None], torch.zeros((), dtype=x.dtype, device=x.device), x)


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


def parted(answer):
    """A target, and what of it counts: None for all."""
    return answer if isinstance(answer, tuple) else (answer, None)


def relative_norms(out, answer):
    target, counts = parted(answer)
    if counts is not None:
        out, target = out * counts, target * counts
    difference = torch.linalg.vector_norm((out - target).flatten(1), dim=1)
    return difference / torch.linalg.vector_norm(target.flatten(1), dim=1)


def squares(out, answer):
    target, counts = parted(answer)
    found = (out - target).square()
    return found if counts is None else found * counts


def loss_of(name, out, answer):
    """The loss that is minimised over a batch."""
    if name == "cross_entropy":
        return F.cross_entropy(out, answer)
    if name == "bce":
        target, counts = parted(answer)
        return F.binary_cross_entropy_with_logits(out, target, weight=counts)
    if name == "mse":
        return squares(out, answer).mean()
    if name == "relative_l2":
        return relative_norms(out, answer).sum()
    if name == "sum":
        return out.sum()
    raise ValueError("unknown loss %r" % name)


# Metrics that nbpipe computes from all outputs; here the loss stands for them.
OF_SET = ("mae8", "false_negative_rate", "pixel_auroc_error", "auroc_error", "map_error", "f1_error")


def metric_sum(name, out, answer, loss_sum):
    """The sum over a batch's samples of the metric."""
    if name == "error":
        return (out.argmax(1) != answer).sum()
    if name == "relative_l2":
        return relative_norms(out, answer).sum()
    if name == "mse":
        return squares(out, answer).flatten(1).mean(1).sum()
    if name == "loss" or name in OF_SET:
        return loss_sum
    raise ValueError("unknown metric %r" % name)


def sums(loss_name, metric_name, loss, out, answer):
    """Sums over a batch's samples of loss and metric, on the device."""
    with torch.no_grad():
        whole = loss.detach() * (1 if loss_name in ("relative_l2", "sum") else out.shape[0])
        return torch.stack([whole.double(), metric_sum(metric_name, out, answer, whole).double()])
