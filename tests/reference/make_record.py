#!/usr/bin/env python3
"""Trains with PyTorch what reference_test.cpp trains with lockflight, and prints the record that it compares with.

  reference_test --export DIR                      writes DIR/untied.safetensors and DIR/tied.safetensors
  python3 make_record.py DIR > record.json

A file holds the initial weights, the tokens of all steps and, as metadata, the settings.  The model is written with
PyTorch's own operations and its optimizer, on whole batches where lockflight adds up micro-batches.  What is recorded
is computed in double precision, so that it is the same on every machine; beside it stands how far PyTorch's own
single precision is away from it.
"""

import json
import math
import pathlib
import platform
import struct
import sys

import torch
from torch.nn import functional

DTYPES = {"F32": torch.float32, "I32": torch.int32}


def read_safetensors(path):
    """Tensors by name, and the metadata: 8 bytes of header length, the header as JSON, the elements."""
    data = bytearray(pathlib.Path(path).read_bytes())
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        elements = torch.frombuffer(data[8 + length + begin : 8 + length + end], dtype=DTYPES[entry["dtype"]])
        tensors[name] = elements.reshape(entry["shape"])
    return tensors, metadata


class Gpt2(torch.nn.Module):
    """Parameters keep lockflight's names.  Weights of products are [inputs, outputs], the head's [outputs, inputs]."""

    def __init__(self, weights, settings):
        super().__init__()
        self.settings = settings
        self.weights = {name: torch.nn.Parameter(value) for name, value in weights.items()}
        for name, value in self.weights.items():
            self.register_parameter(name.replace(".", "_"), value)

    def norm(self, name, x):
        gain, bias = self.weights[name + ".gain"], self.weights[name + ".bias"]
        return functional.layer_norm(x, gain.shape, gain, bias, eps=1e-5)

    def linear(self, name, x):
        return functional.linear(x, self.weights[name + ".weight"].T, self.weights[name + ".bias"])

    def attention(self, name, x):
        rows, length, width = x.shape
        heads = self.settings["heads"]
        qkv = self.linear(name + ".qkv", x).reshape(rows, length, 3, heads, width // heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / math.sqrt(width // heads)
        future = torch.ones(length, length, dtype=torch.bool).triu(diagonal=1)
        gathered = scores.masked_fill(future, -math.inf).softmax(dim=-1) @ v
        return self.linear(name + ".projection", gathered.transpose(1, 2).reshape(rows, length, width))

    def mlp(self, name, x):
        hidden = functional.gelu(self.linear(name + ".expand", x), approximate="tanh")
        return self.linear(name + ".projection", hidden)

    def forward(self, tokens):
        x = functional.embedding(tokens, self.weights["embedding.tokens"]) + self.weights["embedding.positions"]
        for block in range(self.settings["blocks"]):
            for half, function in (("attention", self.attention), ("mlp", self.mlp)):
                name = f"blocks.{block}.{half}"
                x = x + function(name, self.norm(name + ".norm", x))
        head = "embedding.tokens" if self.settings["tied"] else "head.weight"
        return functional.linear(self.norm("final_norm", x), self.weights[head])


def learning_rate(settings, step):
    """Up to the peak in a straight line, then down to the floor along a cosine.  Steps are counted from 0."""
    peak, floor, warm_up = settings["peak"], settings["floor"], settings["warm_up_steps"]
    if step < warm_up:
        return peak * (step + 1) / warm_up
    done = (step - warm_up) / (settings["steps"] - warm_up)
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * done))


def clip(parameters, largest):
    """Scales the gradients down to a norm of `largest` and returns their norm before.

    torch.nn.utils.clip_grad_norm_ divides by norm + 1e-6; lockflight divides by the norm.
    """
    norm = math.sqrt(sum(parameter.grad.double().square().sum().item() for parameter in parameters))
    if norm > largest:
        for parameter in parameters:
            parameter.grad.mul_(largest / norm)
    return norm


def train(tensors, settings, dtype):
    """Losses and gradient norms of all steps."""
    batches = tensors["tokens"].long()
    weights = {name: value.to(dtype, copy=True) for name, value in tensors.items() if name != "tokens"}
    model = Gpt2(weights, settings)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": settings["weight_decay"]},
            {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
        ],
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["epsilon"],
    )
    losses, norms = [], []
    for step, batch in enumerate(batches):
        logits = model(batch[:, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        norms.append(clip(parameters, settings["clip_norm"]))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, step)
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def largest_difference(actual, expected):
    return max(abs(a - e) / abs(e) for a, e in zip(actual, expected))


def record_of(path):
    tensors, metadata = read_safetensors(path)
    settings = json.loads(metadata["settings"])
    losses, norms = train(tensors, settings, torch.float64)
    single_losses, single_norms = train(tensors, settings, torch.float32)
    return {
        "settings": settings,
        "losses": losses,
        "gradient_norms": norms,
        "single_precision_differs_by": {
            "losses": largest_difference(single_losses, losses),
            "gradient_norms": largest_difference(single_norms, norms),
        },
    }


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    record = {"made_with": {"torch": torch.__version__, "python": platform.python_version()}}
    for name in ("untied", "tied"):
        record[name] = record_of(pathlib.Path(sys.argv[1]) / f"{name}.safetensors")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
