"""Networks as data: the graph that stages/nn describes, run by PyTorch."""

import torch
import torch.nn.functional as F


class Network:
    """A network's live nodes with their parameters and running statistics.

    Tensors of nodes that are never run stay in `idle` as they came.
    """

    def __init__(self, spec, weights, device, dtype):
        self.nodes = spec["nodes"]
        self.output = spec["output"]
        used = {n[key] for n in self.nodes for key in ("weight", "bias", "mean", "variance") if n.get(key)}

        def place(name):
            return torch.from_numpy(weights[name]).to(device=device, dtype=dtype).clone()

        self.parameters = {n: place(n).requires_grad_() for n in spec["parameters"] if n in used}
        self.buffers = {n: place(n) for n in spec["buffers"] if n in used}
        self.idle = {n: weights[n] for n in spec["parameters"] + spec["buffers"] if n not in used}
        self.last_use = {}
        for i, node in enumerate(self.nodes):
            for name in node["inputs"]:
                self.last_use[name] = i

    def state(self):
        """Parameters and buffers by name, as arrays."""
        out = dict(self.idle)
        for tensors in (self.parameters, self.buffers):
            out.update({name: as_array(t) for name, t in tensors.items()})
        return out

    def forward(self, x, training, keys=None, keep=()):
        """Runs the nodes; keys are the dropout keys by node, and the
        activations of the nodes in keep are returned beside the output."""
        values, kept = {"input": x}, {}
        for i, node in enumerate(self.nodes):
            # A zero node takes the batch alone, and its input may never be run.
            inputs = [x] if node["op"] == "zero" else [values[name] for name in node["inputs"]]
            y = self.run(node, inputs, training, keys)
            if node["name"] in keep:
                kept[node["name"]] = y
            values[node["name"]] = y
            for name in node["inputs"]:
                if self.last_use[name] == i:
                    values.pop(name, None)
        return values[self.output], kept

    def run(self, node, inputs, training, keys):
        op, x, p = node["op"], inputs[0], self.parameters
        if op == "conv2d":
            x, padding = padded(x, node, 0.0)
            return F.conv2d(x, p[node["weight"]], None, node["stride"], padding, node["dilation"])
        if op == "batch_norm":
            mean, variance = self.buffers[node["mean"]], self.buffers[node["variance"]]
            return F.batch_norm(x, mean, variance, p[node["weight"]], p[node["bias"]], training, node["momentum"], node["epsilon"])
        if op == "relu":
            return F.relu(x)
        if op == "avg_pool":
            return average_pool(x, node)
        if op == "max_pool":
            return max_pool(x, node)
        if op == "add":
            for other in inputs[1:]:
                x = x + other
            return x
        if op == "concat":
            return torch.cat(inputs, 1)
        if op == "global_avg_pool":
            return x.mean((2, 3))
        if op == "linear":
            return linear(x, p[node["weight"]], p[node["bias"]] if node.get("bias") else None)
        if op == "dropout":
            return dropout(x, node["rate"], keys[node["name"]]) if training and node.get("rate", 0) > 0 else x
        if op == "zero":
            return x.new_zeros([x.shape[0]] + node["shape"])
        raise ValueError("node %r: unknown operation %r" % (node["name"], op))


def as_array(tensor):
    return tensor.detach().cpu().contiguous().numpy().copy()


def sides(node):
    p = node["padding"]
    return p.get("top", 0), p.get("bottom", 0), p.get("left", 0), p.get("right", 0)


def padded(x, node, value):
    """Returns the input and the padding that is left for the operation: what
    differs between two sides has to be put on before."""
    top, bottom, left, right = sides(node)
    if top == bottom and left == right:
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=value), (0, 0)


def average_pool(x, node):
    kernel, stride = node["kernel"], node["stride"]
    top, bottom, left, right = sides(node)
    if top == bottom and left == right and 2 * top <= kernel[0] and 2 * left <= kernel[1]:
        return F.avg_pool2d(x, kernel, stride, (top, left), count_include_pad=False)
    around = (left, right, top, bottom)
    total = F.avg_pool2d(F.pad(x, around), kernel, stride, divisor_override=1)
    count = F.avg_pool2d(F.pad(torch.ones_like(x[:1, :1]), around), kernel, stride, divisor_override=1)
    return total / count


def max_pool(x, node):
    kernel, stride = node["kernel"], node["stride"]
    top, bottom, left, right = sides(node)
    small = top == bottom and left == right and 2 * top <= kernel[0] and 2 * left <= kernel[1]
    if small and x.device.type == "cpu":
        return F.max_pool2d(x, kernel, stride, (top, left))
    return WindowMax.apply(F.pad(x, (left, right, top, bottom), value=float("-inf")), tuple(kernel), tuple(stride))


class WindowMax(torch.autograd.Function):
    """Max pooling whose gradients are added in a fixed order: PyTorch's own is
    not deterministic on a GPU."""

    @staticmethod
    def forward(ctx, x, kernel, stride):
        height = (x.shape[2] - kernel[0]) // stride[0] + 1
        width = (x.shape[3] - kernel[1]) // stride[1] + 1
        best = where = None
        for i, part in enumerate(window_parts(x, kernel, stride, height, width)):
            if best is None:
                best, where = part.clone(), torch.zeros_like(part, dtype=torch.int16)
                continue
            more = (part > best) | (part.isnan() & ~best.isnan())
            best, where = torch.where(more, part, best), where.masked_fill(more, i)
        ctx.save_for_backward(where)
        ctx.sizes = (x.shape, kernel, stride, height, width)
        return best

    @staticmethod
    def backward(ctx, grad):
        (where,) = ctx.saved_tensors
        shape, kernel, stride, height, width = ctx.sizes
        out = grad.new_zeros(shape)
        for i, part in enumerate(window_parts(out, kernel, stride, height, width)):
            part += grad * (where == i)
        return out, None, None


def window_parts(x, kernel, stride, height, width):
    """The cells of all windows at one place of the window after the other, as
    views, in row-major order."""
    for dy in range(kernel[0]):
        for dx in range(kernel[1]):
            yield x[:, :, dy:dy + (height - 1) * stride[0] + 1:stride[0], dx:dx + (width - 1) * stride[1] + 1:stride[1]]


def linear(x, weight, bias):
    """On vectors, or on the channels of each pixel."""
    if x.dim() == 2:
        return F.linear(x, weight, bias)
    return F.linear(x.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)


def dropout(x, rate, key):
    """Zeroes elements as nn.DropoutKey says, and scales the others."""
    with torch.no_grad():
        hashed = torch.arange(x.numel(), dtype=torch.int64, device=x.device)
        for part in key:
            hashed = mix(hashed ^ (part & 0xFFFFFFFF))
        keep = (hashed >= int(rate * 4294967296.0)).view(x.shape)
    return x * keep * (1 / (1 - rate))


def mix(v):
    """The hash "lowbias32" on numbers of 32 bits in tensors of 64. A factor of
    32 bits is written as a negative one, so that no product overflows."""
    v = v ^ (v >> 16)
    v = (v * 0x7FEB352D) & 0xFFFFFFFF
    v = v ^ (v >> 15)
    v = (v * (0x846CA68B - (1 << 32))) & 0xFFFFFFFF
    return v ^ (v >> 16)
