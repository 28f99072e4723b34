"""Search with shared weights: DARTS, GDAS and random sampling.

All operations of every edge are there at once. DARTS (Liu et al., ICLR 2019;
its first order) weights them by the softmax of the architecture's logits. GDAS
(Dong and Yang, CVPR 2019) runs the one that the logits with Gumbel noise make
the largest, and lets gradients pass through the softmax. Random sampling (Li
and Talwalkar, UAI 2019) trains one cell after the other, drawn uniformly.

Batch normalisation uses the batch's statistics throughout, and learns no scale
and shift, as in DARTS. The order of a step is that of AutoDL-Projects: weights
on a batch of the training data, then the logits on one of the validation data.
"""

import collections
import json
import math

import numpy as np
import torch

from nbpipe_data import Data, Decoder, loss_of, sums
from nbpipe_network import Network, as_array
from nbpipe_tensors import read_tensors, write_tensors
from nbpipe_training import VELOCITY, Diverged, Meter, Precision, save_tensors

LOGITS = "search/logits"
ADAM = ("exp_avg", "exp_avg_sq")


class Supernet(Network):
    def __init__(self, spec, weights, device, dtype):
        super().__init__(spec, weights, device, dtype)
        for node in self.nodes:
            if node["op"] == "batch_norm":
                self.parameters[node["weight"]].requires_grad_(False)
                self.parameters[node["bias"]].requires_grad_(False)

    @staticmethod
    def needs(node, chosen):
        """The names of the values that a node takes."""
        if node["op"] == "zero":
            return []
        if node["op"] == "mixture" and chosen is not None:
            return [node["inputs"][chosen[node["edge"]]]]
        return node["inputs"]

    def reached(self, chosen):
        """The nodes that the output depends on, given the operation of each edge."""
        needed, nodes = {self.output}, []
        for node in reversed(self.nodes):
            if node["name"] in needed:
                nodes.append(node)
                needed.update(self.needs(node, chosen))
        return nodes[::-1]

    def mixed(self, x, weights, chosen):
        """Runs the supernet. Weights are (edges, operations), or None; chosen
        is the operation of each edge, or None for all of them."""
        nodes = self.nodes if chosen is None else self.reached(chosen)
        left = collections.Counter(name for node in nodes for name in self.needs(node, chosen))
        values = {"input": x}
        for node in nodes:
            if node["op"] == "mixture":
                y = self.mixture(node, values, weights, chosen)
            else:
                inputs = [x] if node["op"] == "zero" else [values[name] for name in node["inputs"]]
                y = self.run(node, inputs, True, None)
            values[node["name"]] = y
            for name in self.needs(node, chosen):
                left[name] -= 1
                if left[name] == 0:  # the batch that judges cells is large
                    del values[name]
        return values[self.output]

    @staticmethod
    def mixture(node, values, weights, chosen):
        edge = node["edge"]
        if chosen is None:
            return sum(weights[edge, i] * values[name] for i, name in enumerate(node["inputs"]))
        y = values[node["inputs"][chosen[edge]]]
        if weights is None:
            return y
        # The weights of what does not run are 0, and carry gradients, as in
        # AutoDL-Projects.
        return sum(weights[edge, i] * y if i == chosen[edge] else weights[edge, i] for i in range(len(node["inputs"])))


class Search:
    """The state of a search."""

    def __init__(self, spec, weights, device):
        self.spec, self.job, self.device = spec, spec["supernet"], device
        self.precision = Precision(spec["precision"], device)
        dtype = self.precision.dtype
        self.network = Supernet(spec["network"], weights, device, dtype)
        self.decoder = Decoder(spec.get("decoding"), spec["network"]["output_shape"], device, dtype)
        self.trained = {n: p for n, p in self.network.parameters.items() if p.requires_grad}
        self.logits = torch.tensor(self.job["logits"], dtype=torch.float64).to(device=device, dtype=dtype).requires_grad_()
        o, a = self.job["optimizer"], self.job["architecture"]
        self.sgd = torch.optim.SGD(list(self.trained.values()), lr=o["learning_rate"], momentum=o["momentum"],
                                   nesterov=o["nesterov"], weight_decay=o["weight_decay"])
        self.adam = torch.optim.Adam([self.logits], lr=a["learning_rate"], betas=(a["beta1"], a["beta2"]), weight_decay=a["weight_decay"])

    def mix(self, draw, temperature):
        """Weights and chosen operations for a step's draw."""
        if self.job["algorithm"] == "darts":
            return torch.softmax(self.logits, 1), None
        if self.job["algorithm"] == "random":
            return None, [int(v) for v in draw]
        noise = torch.from_numpy(draw).to(device=self.device, dtype=self.logits.dtype)
        soft = torch.softmax((torch.log_softmax(self.logits, 1) + noise) / temperature, 1)
        index = soft.argmax(1)
        hard = (torch.arange(soft.shape[1], device=self.device) == index[:, None]).to(soft.dtype)
        return hard - soft.detach() + soft, index.tolist()

    def run(self, batch, weights, chosen):
        """Loss and sums of a batch; weights and chosen are as in mixed."""
        x, answer = batch
        with self.precision.autocast():
            out = self.network.mixed(x, weights, chosen)
        out = self.decoder(out.to(self.precision.dtype))
        loss = loss_of(self.job["loss"], out, answer)
        return loss, sums(self.job["loss"], self.job["metric"], loss, out.detach(), answer)

    def step_weights(self, batch, draw, temperature):
        loss, values = self.run(batch, *self.mix(draw, temperature))
        self.sgd.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.trained.values()), self.job["clip"])
        self.sgd.step()
        return values

    def step_logits(self, batch, draw, temperature):
        loss, values = self.run(batch, *self.mix(draw, temperature))
        self.adam.zero_grad(set_to_none=True)
        (self.logits.grad,) = torch.autograd.grad(loss, [self.logits])
        self.adam.step()
        return values

    def save(self, epochs):
        if not self.spec.get("checkpoint"):
            return
        tensors = save_tensors(self.network, self.sgd)
        tensors[LOGITS] = as_array(self.logits)
        metadata = {"job": self.spec["job"], "epochs": json.dumps(epochs)}
        state = self.adam.state.get(self.logits, {})
        if state:
            tensors.update({"search/" + name: as_array(state[name]) for name in ADAM})
            metadata["adam_step"] = str(int(state["step"]))
        write_tensors(self.spec["checkpoint"], tensors, metadata)

    def load(self, tensors, metadata):
        place = lambda name, like: torch.from_numpy(tensors[name]).to(device=self.device, dtype=like.dtype)
        for name, p in self.trained.items():
            if VELOCITY + name in tensors:
                self.sgd.state[p]["momentum_buffer"] = place(VELOCITY + name, p)
        with torch.no_grad():
            self.logits.copy_(place(LOGITS, self.logits))
        if "adam_step" in metadata:
            state = {name: place("search/" + name, self.logits) for name in ADAM}
            self.adam.state[self.logits] = dict(state, step=torch.tensor(float(metadata["adam_step"])))


def search(spec, device, tell, ask):
    """Trains the supernet, and writes what was found."""
    if spec["precision"] == "mixed" and Precision("mixed", device).scaler is not None:
        raise ValueError("mixed precision of a search needs bfloat16, which this GPU has not")
    tensors, metadata = read_tensors(spec["checkpoint"] if spec.get("resume") else spec["weights"])
    state = Search(spec, tensors, device)
    epochs = []
    if spec.get("resume"):
        state.load(tensors, metadata)
        epochs = json.loads(metadata["epochs"])
    train = Data(spec["train"], device, state.precision.dtype)
    valid = Data(spec["valid"], device, state.precision.dtype)
    for epoch in range(len(epochs), spec["supernet"]["epochs"]):
        figures = search_epoch(state, train, valid, epoch, ask(type="want", epoch=epoch), tell)
        epochs.append(figures)
        state.save(epochs)
        tell(type="epoch", figures=figures)
    result = state.network.state()
    result[LOGITS] = as_array(state.logits)
    if spec["supernet"]["algorithm"] == "random":
        plan = ask(type="want", epoch=len(epochs))
        result["search/candidates"] = as_array(judged(state, valid, plan["judged"], np.load(plan["draws"])))
    write_tensors(spec["result"], result)


def search_epoch(state, train, valid, epoch, plan, tell):
    job, rate, size = state.job, plan["learning_rate"], state.job["batch_size"]
    for group in state.sgd.param_groups:
        group["lr"] = rate
    order, others = np.load(plan["batches"]), np.load(plan["valid"])
    draws = np.load(plan["draws"]) if plan.get("draws") else None
    steps = -(-len(order) // size)
    weights = Meter(tell, epoch, epoch * steps, job["epochs"] * steps)
    logits = Meter(lambda **message: None, epoch, 0, 0)
    for step in range(steps):
        rows = slice(step * size, (step + 1) * size)
        draw = None if draws is None else draws[step]
        first = state.step_weights(train.batch(order[rows], job["cutout"]), None if draw is None else draw[0], plan["temperature"])
        if job["algorithm"] != "random":
            second = state.step_logits(valid.batch(others[rows]), None if draw is None else draw[1], plan["temperature"])
            logits.add(second, len(others[rows]))
        weights.add(first, len(order[rows]))
    figures = {"epoch": epoch, "learning_rate": rate}
    figures["train_loss"], figures["train_metric"] = weights.means()
    if job["algorithm"] != "random":
        figures["valid_loss"], figures["valid_metric"] = logits.means()
    figures["logits"] = as_array(state.logits).tolist()
    if not all(math.isfinite(v) for row in figures["logits"] for v in row):
        raise Diverged(epoch, steps - 1, float("nan"))
    if job["algorithm"] != "random":
        cell = as_array(state.logits).argmax(1)
        loss, metric = judged(state, valid, plan["judged"], [cell])[0].tolist()
        if math.isfinite(loss) and math.isfinite(metric):
            figures["cell_loss"], figures["cell_metric"] = loss, metric
    return figures


def judged(state, valid, rows, cells):
    """Loss and metric of each cell with the shared weights: (cells, 2)."""
    rows, found = np.load(rows), []
    batch = valid.batch(rows)
    with torch.no_grad():
        for cell in cells:
            _, values = state.run(batch, None, [int(op) for op in cell])
            found.append(values / len(rows))
    return torch.stack(found)
