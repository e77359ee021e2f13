"""Reads the tensors of checkpoints that have no official class: one file, a folder, or a hub id."""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from huggingface_hub import hf_hub_download, snapshot_download
from safetensors import SafetensorError, safe_open
from torch import Tensor

from diptych.checkpoint.tensors import read_tensors
from diptych.errors import CheckpointError


_PICKLES = (".pt", ".pth", ".bin")
_INNER = ("state_dict", "model", "module", "sd")
"""Where training programs put the tensors inside a file."""


def read_foreign(source: str, wanted: str = "") -> dict[str, Tensor]:
    """Read the tensors of a checkpoint.

    Args:
        source: a file (.safetensors, or a pickle of tensors alone), a folder with either, a hub id, or a file of the
            hub (`owner/name/file.pt`).
        wanted: a pattern (`re.search`) of the names to be read; a part of a large model needs few.

    Raises:
        CheckpointError: if there is none, it is damaged, or a pickle holds anything but tensors and plain data.
    """
    tensors: dict[str, Tensor] = {}
    for path in _files(source):
        if path.suffix == ".safetensors":
            tensors |= _read_some(path, wanted) if wanted else read_tensors(path)
        else:
            tensors |= _tensors(read_pickle(path), path)
    return {name: value for name, value in tensors.items() if re.search(wanted, name)}


def _read_some(path: Path, wanted: str) -> dict[str, Tensor]:
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys() if re.search(wanted, name)}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file (truncated?): {error}") from error


def read_pickle(path: Path) -> Any:
    """Read a pickle that holds tensors and plain data, and nothing that runs.

    Raises:
        CheckpointError: if it is damaged or holds more.
    """
    try:
        # TA-Tok's file holds its settings as a dictionary of another library; a plain one does
        with torch.serialization.safe_globals([(OrderedDict, "easydict.EasyDict")]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is damaged, or holds more than tensors and is refused: {reason}") from error


def _files(source: str) -> list[Path]:
    place = Path(source)
    if place.is_file():
        return [place]
    if not place.is_dir():
        place = _fetch(source)
        if place.is_file():
            return [place]
    found = sorted(place.glob("*.safetensors"))
    if found:
        return found
    pickles = sorted(each for each in place.iterdir() if each.suffix in _PICKLES)
    shards = [each for each in pickles if "-of-" in each.name]
    if len(pickles) == 1 or (shards and shards == pickles):
        return pickles
    names = ", ".join(each.name for each in pickles) or "nothing of the kind"
    raise CheckpointError(
        f"weights '{source}': a folder must hold .safetensors or one of {', '.join(_PICKLES)}; it holds {names}"
    )


def _fetch(source: str) -> Path:
    """Get a hub id, or one file of it."""
    owner, _, rest = source.partition("/")
    name, _, file = rest.partition("/")
    try:
        if file:
            return Path(hf_hub_download(f"{owner}/{name}", file))
        patterns = ["*.safetensors", *(f"*{suffix}" for suffix in _PICKLES)]
        return Path(snapshot_download(source, allow_patterns=patterns))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        message = f"weights '{source}': no local file or folder, and no reachable hub id: {reason}"
        raise CheckpointError(message) from error


def _tensors(stored: Any, path: Path) -> dict[str, Tensor]:
    for key in _INNER:
        if isinstance(stored, dict) and isinstance(stored.get(key), dict):
            stored = stored[key]
    named = stored.items() if isinstance(stored, dict) else ()
    found = {name: value for name, value in named if isinstance(value, Tensor)}
    if not found:
        raise CheckpointError(f"{path} holds no tensors by name")
    return found
