"""Carrying a plan out: tensors are read, joined or cut, and written one at a time into one safetensors file."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from diptych.errors import CheckpointError, OutputError
from diptych.importing.plan import Made
from diptych.importing.stored import TYPES, StoredTensors


def write_stream(
    stored: StoredTensors, made: Sequence[Made], path: Path, told: Callable[[int], None] | None = None
) -> None:
    """Write the tensors of a plan into a safetensors file, holding one at a time.

    The bytes of every tensor are those of its sources. The file has the layout that safetensors describes: the length
    of a JSON header in 8 bytes, the header, then the tensors, those of wide types first so that all are aligned.

    Args:
        stored: what is read.
        made: what is written.
        path: the file.
        told: called with the bytes of each tensor written.

    Raises:
        CheckpointError: if a source cannot be read, or holds NaN or infinity.
        OutputError: if the file cannot be written.
    """
    ordered = sorted(made, key=lambda each: (-each.facts.width, each.facts.file, each.name))
    try:
        with path.open("wb") as file:
            _header(file, ordered)
            for each in ordered:
                _write(file, make(stored, each), each)
                if told:
                    told(each.facts.size)
    except OSError as error:
        raise OutputError(f"cannot write {path.name}: {error.strerror or error}") from error


def make(stored: StoredTensors, made: Made) -> Tensor:
    """Make one tensor of a plan out of its sources; zeros if it has none."""
    if not made.sources:
        kind = next(kind for kind, name in TYPES.items() if name == made.facts.dtype)
        return torch.zeros(made.facts.shape, dtype=kind)
    pieces = [stored.read(name) for name in made.sources]
    whole = torch.cat(pieces, made.axis) if len(pieces) > 1 else pieces[0]
    if made.piece:
        whole = whole.narrow(made.axis, made.piece[0], made.piece[1] - made.piece[0])
    return whole.reshape(made.facts.shape)


def _header(file: BinaryIO, ordered: Sequence[Made]) -> None:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for each in ordered:
        end = start + each.facts.size
        entries[each.name] = {
            "dtype": each.facts.dtype,
            "shape": list(each.facts.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)


def _write(file: BinaryIO, value: Tensor, made: Made) -> None:
    if made.facts.floating and not _is_finite(value):
        raise CheckpointError(f"{', '.join(made.sources)}: NaN or infinity in {made.facts.file}")
    data = value.detach().contiguous().reshape(-1).view(torch.uint8)
    file.write(data.numpy().data)


def _is_finite(value: Tensor) -> bool:
    """Say whether all numbers are finite, a quarter of a million at a time, so that little memory is needed."""
    pieces = value.reshape(-1).split(1 << 18) if value.numel() else ()
    return all(bool(torch.isfinite(each.float() if each.element_size() == 1 else each).all()) for each in pieces)
