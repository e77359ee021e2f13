"""Adapters put into transformers models by peft, and taken out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from diptych.backbones.lora_spec import Lora
from diptych.errors import Problem, RequestError, SpecError, suggest
from diptych.spec.part import evolved


if TYPE_CHECKING:
    from diptych.model import UnifiedModel

_MARK = ".lora_"


def inject(model: Any, lora: Lora) -> None:
    """Put fresh adapters, which change nothing yet, into a transformers model; everything else is frozen.

    Raises:
        SpecError: if peft is not installed, or `on` names no linear layer of the decoder.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        message = "adapters need the package peft; install it: pip install 'diptych[lora]'"
        raise SpecError([Problem("backbone.lora", message)]) from error
    sizes: dict[str, Any] = {"r": lora.rank, "lora_alpha": lora.alpha, "lora_dropout": 0.0}
    inject_adapter_in_model(LoraConfig(target_modules=targets(model, lora), **sizes), model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_adapter(name))


def targets(model: Any, lora: Lora) -> list[str]:
    """List the layers that get an adapter: the linear ones of the decoder's layers, by their whole names.

    Raises:
        SpecError: if `on` holds a name that none of them has.
    """
    inside = {id(module) for module in model.get_decoder().layers.modules()}
    linear = [name for name, each in model.named_modules() if id(each) in inside and isinstance(each, nn.Linear)]
    known = sorted({name.rpartition(".")[2] for name in linear})
    unknown = [
        Problem(
            "backbone.lora.on", f"'{name}' is no linear layer here{suggest(name, known)}; there are {', '.join(known)}"
        )
        for name in lora.on
        if name not in known
    ]
    if unknown:
        raise SpecError(unknown)
    return [name for name in linear if not lora.on or name.rpartition(".")[2] in lora.on]


def is_adapter(name: str) -> bool:
    """Say whether a parameter belongs to an adapter, by its name."""
    return _MARK in name


def base_name(name: str) -> str:
    """Return the name that a parameter has in the model without adapters."""
    return name.replace(".base_layer.", ".")


def add_lora(model: UnifiedModel, lora: Lora) -> None:
    """Give a model's backbone adapters, to train these instead of it.

    Raises:
        RequestError: if it has some already.
        SpecError: see `inject`.
    """
    if getattr(model.spec.backbone, "lora", None) is not None:
        raise RequestError("this backbone has adapters already; fold them into it first: merge_lora(model)")
    backbone = evolved(model.spec.backbone, lora=lora)
    device, dtype = model.device, model.dtype
    inject(model.parts.backbone.model, lora)
    model.parts.backbone.lora = lora
    model.to(device, dtype)
    model.spec = evolved(model.spec, backbone=backbone)


def merge_lora(model: UnifiedModel) -> None:
    """Fold a backbone's adapters into its weights; the model is then one without adapters that does the same.

    Raises:
        RequestError: if it has none.
    """
    if getattr(model.spec.backbone, "lora", None) is None:
        raise RequestError("this backbone has no adapters to fold in")
    network = model.parts.backbone.model
    for name, layer in [(name, each) for name, each in network.named_modules() if hasattr(each, "base_layer")]:
        layer.merge()
        place, _, last = name.rpartition(".")
        setattr(network.get_submodule(place), last, layer.get_base_layer())
    network.requires_grad_(True)
    del network.peft_config
    model.parts.backbone.lora = None
    model.spec = evolved(model.spec, backbone=evolved(model.spec.backbone, lora=None))
