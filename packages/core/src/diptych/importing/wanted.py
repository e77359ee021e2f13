"""Which tensors the model of a spec has, with types and shapes, nothing allocated."""

from __future__ import annotations

import torch
from torch import nn

from diptych.assembly import Assembly
from diptych.importing.facts import TensorFacts
from diptych.importing.stored import TYPES
from diptych.spec.model import ModelSpec


def wanted_tensors(spec: ModelSpec) -> dict[str, TensorFacts]:
    """Build a resolved spec on the meta device: -> the tensors that its checkpoint holds.

    Of tied tensors only the first name counts, as in a checkpoint.
    """
    with torch.device("meta"):
        return module_tensors(Assembly(spec))


def module_tensors(module: nn.Module) -> dict[str, TensorFacts]:
    """Return type and shape of a module's state by name, of tied tensors the first name alone."""
    kept, seen = {}, set()
    for name, value in module.state_dict(keep_vars=True).items():
        if id(value) not in seen:
            kept[name] = TensorFacts(TYPES[value.dtype], tuple(value.shape))
        seen.add(id(value))
    return kept
