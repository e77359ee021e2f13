"""Fills a module of the diffusers library from a checkpoint: with all it needs, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from diptych.errors import CheckpointError


_MARGINAL = ("sample_size",)
"""Config fields that say nothing about the weights."""


def fill_from_diffusers(model: Any, source: str) -> None:
    """Copy the weights of a checkpoint that diffusers wrote.

    Args:
        model: a diffusers `ModelMixin`; its own config says which sizes are expected.
        source: a local folder, a hub id, or a hub id and a subfolder (`owner/name/unet`).

    Raises:
        CheckpointError: if the checkpoint is missing, cannot be read, is of other sizes or does not
            hold exactly the tensors of the model, all differences listed; the model is then as
            before.
    """
    kind = type(model)
    place, subfolder = _place(source)
    try:
        stored = kind.load_config(place, subfolder=subfolder)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"weights '{source}': no local folder or reachable hub id with the config.json of a "
            f"{kind.__name__}: {error}"
        ) from error
    problems = [
        f"{name}: the checkpoint has {_plain(stored[name])}, the spec {_plain(wanted)}"
        for name, wanted in model.config.items()
        if name in stored and not name.startswith("_") and name not in _MARGINAL
        if _plain(stored[name]) != _plain(wanted)
    ]
    if not problems:
        problems = _copy(model, kind, place, subfolder)
    if problems:
        raise CheckpointError("\n  ".join([f"weights '{source}' do not fit the spec:", *problems]))


def _copy(model: Any, kind: Any, place: str, subfolder: str | None) -> list[str]:
    """Copy if everything fits: -> what does not."""
    try:
        loaded, report = kind.from_pretrained(
            place, subfolder=subfolder, output_loading_info=True, low_cpu_mem_usage=False
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"weights '{place}' cannot be read: {error}") from error
    problems = [f"missing: {name}" for name in report["missing_keys"]]
    problems += [f"unexpected: {name}" for name in report["unexpected_keys"]]
    tensors = loaded.state_dict()
    problems += [
        f"{name}: holds NaN or infinity"
        for name, each in tensors.items()
        if not each.isfinite().all()
    ]
    if not problems:
        model.load_state_dict(tensors)
    return problems


def _place(source: str) -> tuple[str, str | None]:
    """Split `owner/name/subfolder` of the hub; a local folder stays whole."""
    pieces = source.split("/")
    if Path(source).exists() or len(pieces) < 3 or not all(pieces):
        return source, None
    return "/".join(pieces[:2]), "/".join(pieces[2:])


def _plain(value: Any) -> Any:
    """Make config values comparable: lists and tuples are alike."""
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value
