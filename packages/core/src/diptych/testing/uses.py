"""How a module of each kind is used: what it is given, what it gives, and how it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from attrs import frozen
from torch import Generator, Tensor

from diptych.backbones.plain_transformer import PlainTransformerSpec
from diptych.conditions.readout import Readout
from diptych.ports import Port
from diptych.shown import Shown
from diptych.testing.example import Example


Given = Mapping[str, Tensor]
_VOCABULARY = 11


def _nothing(_: Example) -> dict[str, Port]:
    return {}


@frozen
class Use:
    """One kind's way of being used.

    Attributes:
        call: (example, module, inputs by port, a generator a sample) -> outputs by port.
        loss: (example, module, inputs, generator) -> one number a sample; None where the kind has no loss.
        prepare: what must happen to a fresh module before use.
        promises: shapes of outputs that are no ports of the spec.
    """

    call: Callable[[Example, Any, Given, Sequence[Generator]], dict[str, Tensor]]
    loss: Callable[[Example, Any, Given, Generator], Tensor | None] | None = None
    prepare: Callable[[Example, Any], None] | None = None
    promises: Callable[[Example], dict[str, Port]] = _nothing


def continues(example: Example) -> bool:
    """Tell a head that runs the backbone itself, over ids, from one that is given states."""
    return getattr(example.spec, "continues", False)


def given(example: Example, count: int, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Make inputs for all ports that carry tensors of a batch; pictures lie in [-1, 1]."""
    like, made = torch.empty(0, dtype=dtype), {}
    for seed, (name, port) in enumerate(example.spec.ports().inputs.items()):
        if port.terms()[0] == "b":
            value = example.tensor(port, count, seed=seed, like=like)
            made[name] = value.tanh() if name == "image" else value
    return made


def is_text_head(example: Example) -> bool:
    """Tell a text head (states -> words) from a generation head (condition -> target)."""
    return "states" in example.spec.ports().inputs


def _encoder(_: Example, module: Any, inputs: Given, __: Sequence[Generator]) -> dict[str, Tensor]:
    return {"features": module(inputs["image"])}


def _autoencoder(_: Example, module: Any, inputs: Given, __: Sequence[Generator]) -> dict[str, Tensor]:
    latents = module.encode(inputs["image"])
    return {"latents": latents, "image": module.decode(latents)}


def _autoencoder_loss(_: Example, module: Any, inputs: Given, generator: Generator) -> Tensor:
    return torch.stack(list(module.loss(inputs["image"], generator).values())).sum(0)


def _image_tokenizer(example: Example, module: Any, inputs: Given, _: Sequence[Generator]) -> dict[str, Tensor]:
    ids = module.encode(inputs["image"])
    wanted = example.shape(example.spec.ports().outputs["codes"], len(inputs["image"]))
    assert ids.dtype == torch.int64, f"ids are {ids.dtype}, not int64"
    assert list(ids.shape) == wanted, f"ids are {list(ids.shape)}, not {wanted}"
    if not ids.is_meta:
        assert 0 <= int(ids.min()) <= int(ids.max()) < example.size("vocabulary"), "an id is outside the vocabulary"
        assert torch.equal(module.look_up(ids), module.codebook()[ids]), "`look_up` is not a row of `codebook`"
    return {"vectors": module.look_up(ids), "decoded": module.decode(ids)}


def _promises_of_image_tokenizer(example: Example) -> dict[str, Port]:
    return {"vectors": Port("b (grid grid) code_width"), "decoded": example.spec.decoded()}  # type: ignore[attr-defined]


def _connector(_: Example, module: Any, inputs: Given, __: Sequence[Generator]) -> dict[str, Tensor]:
    return {"tokens": module(inputs["features"])}


def readout(example: Example, module: Any, inputs: Given) -> Readout:
    """Make what a condition reads: states of a prompt, its queries and what earlier steps wrote; a picture."""
    features = inputs.get("features")
    states = inputs["states"] if features is None else features[:, :0]
    shown = None if features is None else Shown((1,) * len(features), lambda _: features)
    queries = module.query_embeds()
    count = getattr(example.spec, "queries", 0)
    assert (0 if queries is None else len(queries)) == count, f"`queries` says {count}, query_embeds gives {queries}"
    if queries is not None:
        states = torch.cat([states, queries.to(states).expand(len(states), -1, -1)], 1)
    mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
    written = getattr(example.spec, "tokens", None) or 1
    left = {name: states[:, :1].expand(-1, written, -1) for name in getattr(example.spec, "steps", ())}
    return Readout(states, mask, count, left, shown)


def _condition(example: Example, module: Any, inputs: Given, _: Sequence[Generator]) -> dict[str, Tensor]:
    condition, *flags = module(readout(example, module, inputs))
    assert len(flags) in (1, 2), "a condition gives itself, its mask, and perhaps which tokens are pictures'"
    assert all(each.shape == condition.shape[:2] for each in flags), "the mask is not one flag a condition token"
    assert all(each.dtype == torch.bool for each in flags)
    return {"condition": condition}


def _normaliser(_: Example, module: Any, inputs: Given, __: Sequence[Generator]) -> dict[str, Tensor]:
    normalised = module(inputs["target"])
    return {"normalised": normalised, "target": module.inverse(normalised)}


def _fit(example: Example, module: Any) -> None:
    assert not bool(module.fitted), "a fresh normaliser says that it is fitted"
    module.fit([given(example, 16)["target"]])
    assert bool(module.fitted), "a fitted normaliser says that it is not"


def _head(example: Example, module: Any, inputs: Given, own: Sequence[Generator]) -> dict[str, Tensor]:
    if is_text_head(example):
        return {"logits": module.logits(inputs["states"], _Words(inputs["states"]))}
    sampler = example.sampler.build() if example.sampler else None
    guidance = example.guidance.build() if example.guidance else None
    more = {"backbone": _backbone_for(example, inputs["condition"])} if continues(example) else {}
    return {"target": module.sample(inputs["condition"], None, own, sampler, guidance, **more)}


def _head_loss(example: Example, module: Any, inputs: Given, generator: Generator) -> Tensor:
    if is_text_head(example):
        states = inputs["states"][:, 0]
        return module.loss(states, torch.arange(len(states)), _Words(states))
    mask = torch.ones(inputs["condition"].shape[:2], dtype=torch.bool)
    if continues(example):
        ids = (1000 * inputs["target"]).long() % example.size("codes")
        return module.loss(ids, inputs["condition"], mask, generator, _backbone_for(example, inputs["condition"]))
    return module.loss(inputs["target"], inputs["condition"], mask, generator)


def _backbone_for(example: Example, like: Tensor) -> Any:
    """Make a small backbone, always the same one, with words enough for image ids."""
    words = example.size("codes") + (getattr(example.spec, "first_id", None) or 0)
    width = example.size("condition_width")
    spec = PlainTransformerSpec(width=width, layers=1, heads=1, vocabulary=words)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return spec.build().to(like).requires_grad_(False)


class _Words:
    """Stands for a backbone whose output matrix is fixed: for text heads that use it."""

    def __init__(self, states: Tensor) -> None:
        width = states.shape[-1]
        table = torch.linspace(-1, 1, _VOCABULARY * width, dtype=torch.float64, device="cpu")
        self.table = table.sin().view(_VOCABULARY, width).to(states)

    def logits(self, states: Tensor) -> Tensor:
        return states @ self.table.T


def _promises_of_head(example: Example) -> dict[str, Port]:
    if not is_text_head(example):
        return {"target": example.spec.ports().inputs["target"]}
    return {"logits": Port(f"b s {getattr(example.spec, 'vocabulary', None) or _VOCABULARY}")}


def _network(example: Example, module: Any, inputs: Given, _: Sequence[Generator]) -> dict[str, Tensor]:
    height, width = (example.size(name) for name in ("height", "width"))
    sample = inputs["sample"].transpose(1, 2).unflatten(2, (height, width))
    t = inputs["sample"][:, 0, 0].sigmoid()
    made = module(sample, t, module.prepare(inputs["condition"], None))
    return {"sample": made.flatten(2).transpose(1, 2)}


def _show_black(example: Example, module: Any) -> None:
    if hasattr(module, "fit_null"):
        module.fit_null(given(example, 1)["features"][0])


def _decoder(_: Example, module: Any, inputs: Given, own: Sequence[Generator]) -> dict[str, Tensor]:
    return {"image": module(inputs["features"], own)}


def _decoder_loss(example: Example, module: Any, inputs: Given, generator: Generator) -> Tensor:
    pixels = example.tensor(example.spec.ports().outputs["image"], len(inputs["features"]), seed=9)
    return module.loss(inputs["features"], pixels.tanh(), generator)


def _backbone(_: Example, module: Any, inputs: Given, __: Sequence[Generator]) -> dict[str, Tensor]:
    embeds = inputs["embeds"]
    states = module(embeds, torch.ones(embeds.shape[:2], dtype=torch.bool, device=embeds.device))
    out = {"states": states, "logits": module.logits(states)}
    if "image" in inputs and not embeds.is_meta:  # towers count windows, which needs real numbers
        out["picture"] = module.read(inputs["image"])
    return out


USES: dict[str, Use] = {
    "encoder": Use(_encoder),
    "autoencoder": Use(_autoencoder, _autoencoder_loss, promises=lambda e: {"image": e.spec.ports().inputs["image"]}),
    "image_tokenizer": Use(_image_tokenizer, _autoencoder_loss, promises=_promises_of_image_tokenizer),
    "connector": Use(_connector),
    "condition": Use(_condition),
    "normaliser": Use(_normaliser, prepare=_fit, promises=lambda e: {"target": e.spec.ports().inputs["target"]}),
    "head": Use(_head, _head_loss, promises=_promises_of_head),
    "network": Use(_network, promises=lambda e: {"sample": e.spec.ports().inputs["sample"]}),
    "decoder": Use(_decoder, _decoder_loss, prepare=_show_black),
    "backbone": Use(_backbone, promises=lambda e: {"logits": Port("b s vocabulary")}),
}
