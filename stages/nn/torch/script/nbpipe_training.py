"""Training, evaluation and gradients of a network."""

import contextlib
import json
import math
import time

import numpy as np
import torch

from nbpipe_data import Data, Decoder, loss_of, ordered, sums
from nbpipe_network import Network, as_array
from nbpipe_tensors import map_array, read_tensors, write_tensors

VELOCITY = "velocity/"

# Losses are fetched from the device at most so often, so that it never waits.
FLUSH_SECONDS = 0.2


class Diverged(Exception):
    def __init__(self, epoch, step, loss):
        super().__init__("the loss is %r" % loss)
        self.epoch, self.step, self.loss = epoch, step, loss


class Precision:
    """The arithmetic of a job: types, autocast, and the scaling that float16
    needs for its gradients."""

    def __init__(self, name, device):
        self.dtype = torch.float64 if name == "float64" else torch.float32
        self.cast, self.scaler = None, None
        if name == "mixed":
            brain = device.type != "cuda" or torch.cuda.get_device_capability(device) >= (8, 0)
            self.cast = torch.bfloat16 if brain else torch.float16
            self.scaler = None if brain else torch.cuda.amp.GradScaler()
        self.device = device

    def autocast(self):
        if self.cast is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.cast)


class Model:
    """A network with its decoder and arithmetic."""

    def __init__(self, spec, weights, device):
        self.precision = Precision(spec["precision"], device)
        self.network = Network(spec["network"], weights, device, self.precision.dtype)
        self.decoder = Decoder(spec.get("decoding"), spec["network"]["output_shape"], device, self.precision.dtype)

    def run(self, x, training, keys=None, keep=()):
        with self.precision.autocast():
            out, kept = self.network.forward(x, training, keys, keep)
        return self.decoder(out.to(self.precision.dtype)), kept


class Meter:
    """Losses and metrics of an epoch's steps. They stay on the device until
    they are flushed."""

    def __init__(self, tell, epoch, done, total):
        self.tell, self.epoch, self.done, self.total = tell, epoch, done, total
        self.waiting, self.steps, self.samples = [], 0, 0
        self.loss = self.metric = 0.0
        self.flushed = time.monotonic()

    def add(self, values, samples):
        self.waiting.append((values, samples))
        if time.monotonic() - self.flushed >= FLUSH_SECONDS:
            self.flush()

    def flush(self):
        if self.waiting:
            values = torch.stack([v for v, _ in self.waiting]).tolist()
            for (loss, metric), (_, samples) in zip(values, self.waiting):
                if not math.isfinite(loss):
                    raise Diverged(self.epoch, self.steps, loss)
                self.loss, self.metric = self.loss + loss, self.metric + metric
                self.steps, self.samples = self.steps + 1, self.samples + samples
            self.waiting = []
            self.tell(type="step", done=self.done + self.steps, total=self.total)
        self.flushed = time.monotonic()

    def means(self):
        self.flush()
        return self.loss / self.samples, self.metric / self.samples


def sgd(spec, network):
    o = spec["recipe"]["optimizer"]
    return torch.optim.SGD(
        list(network.parameters.values()), lr=o["learning_rate"], momentum=o["momentum"],
        nesterov=o["nesterov"], weight_decay=o["weight_decay"])


def save_tensors(network, optimizer):
    """The network's state and the optimiser's velocities, by name."""
    tensors = network.state()
    for name, p in network.parameters.items():
        velocity = optimizer.state.get(p, {}).get("momentum_buffer")
        if velocity is not None:
            tensors[VELOCITY + name] = as_array(velocity)
    return tensors


def save_checkpoint(spec, model, optimizer, epochs):
    tensors = save_tensors(model.network, optimizer)
    metadata = {"job": spec["job"], "epochs": json.dumps(epochs)}
    if model.precision.scaler is not None:
        metadata["loss_scaler"] = json.dumps(model.precision.scaler.state_dict())
    write_tensors(spec["checkpoint"], tensors, metadata)


def start(spec, device):
    """The model, optimiser and finished epochs that a training starts with."""
    if not spec.get("resume"):
        weights, _ = read_tensors(spec["weights"])
        model = Model(spec, weights, device)
        return model, sgd(spec, model.network), []
    tensors, metadata = read_tensors(spec["checkpoint"])
    model = Model(spec, {n: t for n, t in tensors.items() if not n.startswith(VELOCITY)}, device)
    optimizer = sgd(spec, model.network)
    for name, p in model.network.parameters.items():
        if VELOCITY + name in tensors:
            velocity = torch.from_numpy(tensors[VELOCITY + name])
            optimizer.state[p]["momentum_buffer"] = velocity.to(device=device, dtype=p.dtype)
    if "loss_scaler" in metadata and model.precision.scaler is not None:
        model.precision.scaler.load_state_dict(json.loads(metadata["loss_scaler"]))
    return model, optimizer, json.loads(metadata["epochs"])


def train(spec, device, tell, ask):
    """Trains from the initial weights, or from the checkpoint."""
    model, optimizer, epochs = start(spec, device)
    data = Data(spec["train"], device, model.precision.dtype)
    valid = Data(spec["valid"], device, model.precision.dtype) if spec.get("valid") else None
    for epoch in range(len(epochs), spec["recipe"]["epochs"]):
        plan = ask(type="want", epoch=epoch)
        figures = train_epoch(spec, model, optimizer, data, epoch, plan, tell)
        if valid is not None:
            loss, metric = evaluate_all(spec["recipe"], model, valid, spec["recipe"]["batch_size"])
            if not (math.isfinite(loss) and math.isfinite(metric)):
                raise Diverged(epoch, -(-len(data) // spec["recipe"]["batch_size"]) - 1, loss)
            figures.update(valid_loss=loss, valid_metric=metric)
        epochs.append(figures)
        if spec.get("checkpoint"):
            save_checkpoint(spec, model, optimizer, epochs)
        tell(type="epoch", figures=figures)
    write_tensors(spec["result"], model.network.state())


def train_epoch(spec, model, optimizer, data, epoch, plan, tell):
    recipe = spec["recipe"]
    size, rate = recipe["batch_size"], plan["learning_rate"]
    for group in optimizer.param_groups:
        group["lr"] = rate
    order = np.load(plan["batches"], allow_pickle=False)
    keys = np.load(plan["dropout"], allow_pickle=False) if plan.get("dropout") else None
    steps = -(-len(order) // size)
    meter = Meter(tell, epoch, epoch * steps, recipe["epochs"] * steps)
    cutout = recipe.get("augmentation", {}).get("cutout", 0)
    for step in range(steps):
        x, answer = data.batch(order[step * size:(step + 1) * size], cutout)
        meter.add(train_step(recipe, model, optimizer, x, answer, step_keys(spec, keys, step)), len(x))
    loss, metric = meter.means()
    return {"epoch": epoch, "learning_rate": rate, "train_loss": loss, "train_metric": metric}


def step_keys(spec, keys, step):
    """The two numbers of each dropout node in a step, by the node's name."""
    if keys is None:
        return None
    return {name: keys[step, i].tolist() for i, name in enumerate(spec["network"]["dropouts"])}


def train_step(recipe, model, optimizer, x, answer, keys):
    out, _ = model.run(x, True, keys)
    loss = loss_of(recipe["loss"], out, answer)
    optimizer.zero_grad(set_to_none=True)
    scaler = model.precision.scaler
    if scaler is None:
        loss.backward()
        optimizer.step()
    else:
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    return sums(recipe["loss"], recipe["metric"], loss, out.detach(), answer)


def evaluate_all(job, model, data, size, outputs=None):
    """Means over all samples of loss and metric; outputs are put into the list."""
    total = []
    with torch.no_grad():
        for plan in ordered(len(data), size):
            x, answer = data.batch(plan)
            out, _ = model.run(x, False)
            total.append(sums(job["loss"], job["metric"], loss_of(job["loss"], out, answer), out, answer))
            if outputs is not None:
                outputs.append(as_array(out.float()))
    loss = metric = 0.0
    for a, b in torch.stack(total).tolist():
        loss, metric = loss + a, metric + b
    return loss / len(data), metric / len(data)


def evaluate(spec, device):
    weights, _ = read_tensors(spec["weights"])
    model = Model(spec, weights, device)
    data = Data(spec["data"], device, model.precision.dtype)
    outputs = [] if spec.get("outputs") else None
    loss, metric = evaluate_all(spec, model, data, spec["batch_size"], outputs)
    if outputs is not None:
        np.save(spec["outputs"], np.concatenate(outputs))
    write_tensors(spec["result"], {"loss": np.array([loss]), "metric": np.array([metric])})


def gradients(spec, device):
    weights, _ = read_tensors(spec["weights"])
    model = Model(spec, weights, device)
    network = model.network
    data = Data(spec["data"], device, model.precision.dtype)
    x, answer = data.batch(next(ordered(len(data), len(data))))
    x.requires_grad_(bool(spec.get("inputs")))
    out, kept = model.run(x, True, spec["network"].get("keys"), spec["products"])
    loss = loss_of(spec["loss"], out, answer)
    names = list(network.parameters)
    wanted = [network.parameters[n] for n in names] + list(kept.values()) + ([x] if spec.get("inputs") else [])
    found = [None] * len(wanted)
    if loss.requires_grad:
        found = torch.autograd.grad(loss, wanted, allow_unused=True)
    found = [torch.zeros_like(w) if g is None else g for w, g in zip(wanted, found)]
    result = {"loss": as_array(loss.double()).reshape(1), "output": as_array(out)}
    for name, t in network.buffers.items():
        result["buffer/" + name] = as_array(t)
    for name, g in zip(names, found):
        result["parameter/" + name] = as_array(g)
    for (name, y), g in zip(kept.items(), found[len(names):]):
        product = y.to(g.dtype) * g
        result["product/" + name] = as_array((product.sum((2, 3)) if product.dim() == 4 else product).to(model.precision.dtype))
    if spec.get("inputs"):
        result["inputs"] = as_array(found[-1])
    write_tensors(spec["result"], result)
