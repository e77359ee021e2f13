"""Puts weights of an official checkpoint into a module of ours: all that it needs, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor, nn

from diptych.errors import CheckpointError


def read_config(kind: Any, source: str) -> Any:
    """Read the configuration of a checkpoint.

    Args:
        kind: a configuration class with `from_pretrained`.
        source: a local folder or a hub id.

    Raises:
        CheckpointError: if there is none.
    """
    if Path(source).is_dir() and not (Path(source) / "config.json").is_file():
        raise CheckpointError(f"weights '{source}': the folder has no config.json")
    try:
        return kind.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"weights '{source}': no local folder or reachable hub id with the config.json of a "
            f"{kind.__name__}: {error}"
        ) from error


def compare_sizes(source: str, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Compare the sizes of a checkpoint with those of a spec.

    Raises:
        CheckpointError: listing every size that differs, with both values.
    """
    differing = [
        f"{name}: the checkpoint has {stored[name]}, the spec {wanted[name]}"
        for name in wanted
        if stored[name] != wanted[name]
    ]
    if differing:
        raise CheckpointError(
            f"weights '{source}' are of a model with other sizes; change the spec, or leave `weights` out:\n"
            + "\n".join(f"  {line}" for line in differing)
        )


def load_official(kind: Any, source: str, **options: Any) -> tuple[dict[str, Tensor], set[str]]:
    """Load a checkpoint with its official class.

    Returns:
        Its tensors by name, and the names that the checkpoint did not hold.

    Raises:
        CheckpointError: if the files cannot be read or a tensor has another shape.
    """
    try:
        model, report = kind.from_pretrained(source, output_loading_info=True, **options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"weights '{source}' cannot be read as a {kind.__name__}: {error}") from error
    return dict(model.state_dict()), set(report["missing_keys"])


def copy_weights(module: nn.Module, tensors: Mapping[str, Tensor], source: str, missing: Iterable[str]) -> None:
    """Copy tensors into a module, which takes what it has and needs all of that.

    Args:
        module: the module to fill; its dtype and device stay.
        tensors: by the names that the module uses.
        source: for the message.
        missing: names that the checkpoint did not hold.

    Raises:
        CheckpointError: listing all tensors that are missing or of another shape; the module is left as it was.
    """
    own, absent = module.state_dict(), set(missing)
    problems = [f"missing: {name}" for name in own if name not in tensors or name in absent]
    problems += [
        f"{name}: the checkpoint has {list(tensors[name].shape)}, the spec {list(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    if problems:
        raise CheckpointError("\n  ".join([f"weights '{source}' do not fit the spec:", *problems]))
    module.load_state_dict({name: tensors[name] for name in own})
