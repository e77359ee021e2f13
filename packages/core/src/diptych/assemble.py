"""Spec -> model."""

from __future__ import annotations

from pathlib import Path

import torch

from diptych.assembly import Assembly
from diptych.model import UnifiedModel
from diptych.spec.files import read_spec
from diptych.spec.model import ModelSpec
from diptych.spec.named_ids import with_named_ids
from diptych.spec.part import walk_parts
from diptych.spec.wiring import resolve


def build(
    spec: ModelSpec | str | Path,
    *,
    weights: bool = False,
    seed: int = 0,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> UnifiedModel:
    """Build a model.

    Args:
        spec: a model spec, or the path of a spec file.
        weights: read the initial weights that parts name under `weights`; otherwise all weights are fresh.
        seed: decides fresh weights; the global random state is left as it was.
        device: where the weights live.
        dtype: of floating-point weights.

    Raises:
        SpecError: for everything wrong with the spec, before anything is allocated.
    """
    given = spec if isinstance(spec, ModelSpec) else read_spec(spec)
    resolved = resolve(given)
    tokenizer = resolved.spec.tokenizer.build() if resolved.spec.tokenizer else None
    spec = with_named_ids(resolved.spec, tokenizer)
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(seed)
        parts = Assembly(spec)
    model = UnifiedModel(spec, parts, tokenizer)
    if weights:
        for path, part in walk_parts(spec):
            if getattr(part, "weights", None):
                part.load_weights(parts.get_submodule(path))  # type: ignore[attr-defined]
    return model.to(device=device, dtype=dtype)
