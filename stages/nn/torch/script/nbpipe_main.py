"""Runs the job that nbpipe describes in a JSON file.

Answers are lines of JSON on the standard output: step, epoch, want (nbpipe
replies with a line on the standard input), warning, diverged, error, done.
Whatever libraries print goes to the standard error.
"""

import json
import os
import sys
import traceback
import warnings


class Channel:
    def __init__(self):
        self.out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def tell(self, **message):
        self.out.write(json.dumps(message, allow_nan=False) + "\n")
        self.out.flush()

    def ask(self, **message):
        self.tell(**message)
        line = sys.stdin.readline()
        if not line:
            raise SystemExit("nbpipe is gone: nobody is left to work for")
        return json.loads(line)


def prepare(spec, torch):
    """Makes results repeatable, and returns the device."""
    torch.set_num_threads(spec["threads"])
    torch.set_num_interop_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(0)  # nothing is drawn here; should a library draw, it is always the same
    return torch.device(spec["device"])


def work(spec, channel, torch):
    device = prepare(spec, torch)
    if device.type == "cuda" and not torch.cuda.is_available():
        channel.tell(type="error", kind="no_cuda", message="PyTorch %s finds no GPU" % torch.__version__)
        return False
    import nbpipe_training as training
    try:
        if spec["mode"] == "train":
            training.train(spec, device, channel.tell, channel.ask)
        elif spec["mode"] == "evaluate":
            training.evaluate(spec, device)
        elif spec["mode"] == "gradients":
            training.gradients(spec, device)
        elif spec["mode"] == "supernet":
            import nbpipe_supernet
            nbpipe_supernet.search(spec, device, channel.tell, channel.ask)
        else:
            raise ValueError("unknown mode %r" % spec["mode"])
    except training.Diverged as e:
        channel.tell(type="diverged", epoch=e.epoch, step=e.step, loss=repr(float(e.loss)))
        return False
    channel.tell(type="done")
    return True


def out_of_memory(error, torch):
    kinds = (MemoryError, getattr(torch.cuda, "OutOfMemoryError", MemoryError))
    text = str(error)
    return isinstance(error, kinds) or "out of memory" in text or "can't allocate memory" in text


def main(path):
    channel = Channel()
    warnings.showwarning = lambda message, category, *where, **more: channel.tell(type="warning", message=str(message)[:2000])
    with open(path, encoding="utf-8") as f:
        spec = json.load(f)
    try:
        import numpy  # noqa: F401
        import torch
    except ImportError as e:
        channel.tell(type="error", kind="no_torch", message=str(e)[:2000])
        return 1
    try:
        return 0 if work(spec, channel, torch) else 1
    except Exception as e:  # what went wrong is told, whatever it is
        kind = "out_of_memory" if out_of_memory(e, torch) else "failed"
        text = "%s: %s" % (type(e).__name__, e)
        channel.tell(type="error", kind=kind, message=text[:2000], detail=traceback.format_exc()[-4000:])
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
