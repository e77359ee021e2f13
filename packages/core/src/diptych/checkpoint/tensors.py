"""Safetensors files, with errors that say what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from diptych.errors import CheckpointError, OutputError


def read_tensors(path: Path, device: str = "cpu") -> dict[str, Tensor]:
    """Read every tensor of a safetensors file.

    Raises:
        CheckpointError: if it is missing, truncated or not a safetensors file.
    """
    try:
        return load_file(path, device=device)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a whole safetensors file (truncated or tampered with?): {error}"
        ) from error


def write_tensors(tensors: Mapping[str, Tensor], path: Path, dtype: torch.dtype | None = None) -> None:
    """Write tensors, each with memory of its own, floating-point ones as `dtype` if given.

    Raises:
        OutputError: if they cannot be written, as on a full disk.
    """
    own = {}
    for name, value in tensors.items():
        value = value.detach().to("cpu", dtype if dtype and value.is_floating_point() else value.dtype)
        own[name] = value.clone().contiguous()
    try:
        save_file(own, path)
    except (SafetensorError, OSError) as error:
        raise OutputError(f"cannot write {path.name}: {error}") from error


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return a module's state by name; of tensors that share memory (tied weights) only the first name."""
    seen: set[tuple[int, torch.Size]] = set()
    own = {}
    for name, value in module.state_dict().items():
        mark = (value.data_ptr(), value.shape)
        if mark not in seen or value.numel() == 0:
            own[name] = value
        seen.add(mark)
    return own


def fill(module: nn.Module, tensors: Mapping[str, Tensor], source: str, missing_ok: tuple[str, ...] = ()) -> None:
    """Copy tensors into a module by name.

    Raises:
        CheckpointError: listing all names that only one side has, and all shapes and types that differ; nothing is
            copied then.
    """
    own = own_tensors(module)
    excused = tuple(f"{path}." for path in missing_ok) or ("\0",)
    problems = [f"missing: {key}" for key in own if key not in tensors and not key.startswith(excused)]
    problems += [f"unexpected: {key}" for key in tensors if key not in own]
    for key in own.keys() & tensors.keys():
        given, wanted = tensors[key], own[key]
        if given.shape != wanted.shape:
            problems.append(f"shape of {key}: {list(given.shape)} in the file, {list(wanted.shape)} in the model")
        elif given.is_floating_point() != wanted.is_floating_point():
            problems.append(f"type of {key}: {given.dtype} in the file, {wanted.dtype} in the model")
        elif given.is_floating_point() and not torch.isfinite(given).all():
            problems.append(f"values of {key}: NaN or infinity in the file")
    if problems:
        more = f"\n  … and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise CheckpointError(f"{source} does not fit the model:\n  " + "\n  ".join(sorted(problems)[:20]) + more)
    with torch.no_grad():
        for key, value in tensors.items():
            own[key].copy_(value)
