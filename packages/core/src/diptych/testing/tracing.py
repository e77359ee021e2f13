"""Check of modules: torch.compile traces the whole of them, without a break."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from diptych.seeds import generators
from diptych.testing.example import Example
from diptych.testing.modules import COUNT, made
from diptych.testing.uses import USES, Given, given, is_text_head, readout


Traced = Callable[[Given], Any]
"""Inputs by port -> tensors; what is no tensor is decided before, as tracing would stop at it."""


def _as_used(example: Example, module: Any) -> Traced:
    own = generators(range(COUNT))
    return lambda inputs: USES[example.spec.kind].call(example, module, inputs, own)


def _backbone(_: Example, module: Any) -> Traced:
    def states_and_logits(inputs: Given) -> list[Tensor]:
        embeds = inputs["embeds"]
        states = module(embeds, torch.ones(embeds.shape[:2], dtype=torch.bool))
        return [states, module.logits(states)]

    return states_and_logits


def _image_tokenizer(_: Example, module: Any) -> Traced:
    def there_and_back(inputs: Given) -> list[Tensor]:
        ids = module.encode(inputs["image"])
        return [ids, module.look_up(ids), module.decode(ids)]

    return there_and_back


def _condition(example: Example, module: Any) -> Traced:
    read = readout(example, module, given(example, COUNT))
    return lambda _: list(module(read))


def _network(example: Example, module: Any) -> Traced:
    grid = example.size("height"), example.size("width")

    def predict(inputs: Given) -> list[Tensor]:
        sample = inputs["sample"].transpose(1, 2).unflatten(2, grid)
        return [module(sample, inputs["sample"][:, 0, 0].sigmoid(), module.prepare(inputs["condition"], None))]

    return predict


def _text_head(example: Example, module: Any) -> Traced | None:
    return _as_used(example, module) if is_text_head(example) else None


def _decoder(example: Example, module: Any) -> Traced | None:
    return None if getattr(example.spec, "sampler", None) else _as_used(example, module)


_TRACED: Mapping[str, Callable[[Example, Any], Traced | None]] = {
    "backbone": _backbone,
    "image_tokenizer": _image_tokenizer,
    "condition": _condition,
    "network": _network,
    "head": _text_head,
    "decoder": _decoder,
}


def check_traces_whole(example: Example, backend: str = "aot_eager") -> None:
    """torch.compile sees the part as one graph, and what a backend makes of it gives what the part gives.

    Of parts that sample, the network inside is traced: a loop that draws from a generator a sample is no graph.
    """
    module = made(example)
    run = _TRACED.get(example.spec.kind, _as_used)(example, module)
    if run is None:
        return
    inputs = given(example, COUNT)
    torch._dynamo.reset()  # an earlier part's graphs would count against this one's limit
    with torch.no_grad():
        compiled: Any = torch.compile(run, backend=backend, fullgraph=True)
        try:
            graph = compiled(inputs)
        except torch._dynamo.exc.TorchDynamoException as error:
            raise AssertionError(f"torch.compile cannot trace this part whole: {error}") from error
        torch.testing.assert_close(graph, run(inputs), atol=1e-5, rtol=1e-4)
