"""Swaps the classes of modules for fused ones and back."""

from typing import Any

from torch import nn

from diptych_kernels.choice import checked_name
from diptych_kernels.fuse.feed_forward import FEED_FORWARD
from diptych_kernels.fuse.language_models import ATTENTION, DECODER_LAYER, VL_ATTENTION
from diptych_kernels.fuse.lumina import DIFFUSERS_BLOCK, DIPTYCH_BLOCK
from diptych_kernels.fuse.qwen_vision import VISION_ATTENTION, VISION_BLOCK
from diptych_kernels.fuse.report import FuseReport, Kept, Replaced
from diptych_kernels.fuse.rule import Rule


_RULES = {
    kind: rule
    for rule in (
        *FEED_FORWARD,
        ATTENTION,
        VL_ATTENTION,
        DECODER_LAYER,
        VISION_ATTENTION,
        VISION_BLOCK,
        DIPTYCH_BLOCK,
        DIFFUSERS_BLOCK,
    )
    for kind in rule.kinds
}
_NOTHING_TO_FUSE = {
    "SiglipEncoderLayer": "LayerNorm and attention without rotation: torch has them fused",
    "SiglipMLP": "GELU without a gate is no operation of this package",
}


def fuse_(model: nn.Module, *, implementation: str | None = None) -> FuseReport:
    """Makes the modules of a model that it knows call fused operations, in place.

    It knows the blocks of diptych-heads' ``lumina-next``, transformers' Qwen2, Qwen2.5-VL (its
    vision tower too), Qwen3 and Llama, and diffusers' ``LuminaNextDiT2DModel``, by the names of
    their classes. Such a module gets a subclass of its class, with another ``forward``:
    parameters, submodules, keys, hooks and ``isinstance`` stay as they are, no other model is
    touched, and :func:`unfuse_` undoes it exactly. A fused operation rounds less often than what
    it stands for, so that results agree to rounding.

    Args:
        model: Any module.
        implementation: For every fused call: ``reference``, ``compile`` or ``triton``; None
            leaves it to :func:`diptych_kernels.use`, the environment, and then what fits.

    Returns:
        What was replaced, and what of a known kind was not, with the reason.
    """
    if implementation is not None:
        checked_name(implementation, "fuse_(implementation=)")
    replaced, kept = [], []
    for path, module in model.named_modules():
        kind = type(module).__name__
        if hasattr(module, "_fused_from"):
            original = module._fused_from.__name__  # type: ignore[union-attr]
            kept.append(Kept(path, original, "it is fused already"))
        elif kind in _NOTHING_TO_FUSE:
            kept.append(Kept(path, kind, _NOTHING_TO_FUSE[kind]))
        elif (rule := _RULES.get(kind)) is not None:
            if (reason := rule.why_not(module)) is not None:
                kept.append(Kept(path, kind, reason))
                continue
            module.__class__ = _fused_class(type(module), rule)
            module._fused_implementation = implementation  # type: ignore[assignment]
            replaced.append(Replaced(path, kind, rule.operations))
    return FuseReport(tuple(replaced), tuple(kept))


def unfuse_(model: nn.Module) -> tuple[str, ...]:
    """Undoes :func:`fuse_`; returns the paths of the modules that are as before."""
    paths = []
    for path, module in model.named_modules():
        if (original := getattr(type(module), "_fused_from", None)) is not None:
            module.__class__ = original
            del module._fused_implementation
            paths.append(path)
    return tuple(paths)


_CLASSES: dict[type[nn.Module], Any] = {}


def _fused_class(original: type[nn.Module], rule: Rule) -> Any:
    if (known := _CLASSES.get(original)) is not None:
        return known
    body = {
        "__doc__": f"{original.__name__} calling {', '.join(rule.operations)}.",
        "__module__": original.__module__,
        "__reduce_ex__": _reduce,
        "_fused_from": original,
        "forward": rule.forward,
    }
    fused = type(f"Fused{original.__name__}", (original,), body)
    return _CLASSES.setdefault(original, fused)


def _reduce(self: nn.Module, protocol: int) -> Any:
    """Pickles and copies as the original class, then fuses what came of it."""
    state = dict(vars(self))
    return _rebuilt, (type(self)._fused_from, state)  # type: ignore[attr-defined]


def _rebuilt(original: type[nn.Module], state: dict[str, Any]) -> nn.Module:
    module = original.__new__(original)
    vars(module).update(state)
    module.__class__ = _fused_class(original, _RULES[original.__name__])
    return module
