"""The tensors of a checkpoint folder: which there are, without reading them, and reading one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from diptych.errors import CheckpointError
from diptych.importing.facts import WIDTHS, TensorFacts
from diptych.importing.files import SAFE_SUFFIX


TYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2", torch.complex64: "C64",
}  # fmt: skip
"""torch's types, as safetensors names them."""


class StoredTensors:
    """Tensors by name over one or several files.

    Files are mapped anew for each tensor, so that memory stays at about one tensor. Pickled files are read
    weights-only; the oldest of them cannot be mapped, and of these one is held whole at a time.

    Attributes:
        facts: type, shape and file of every tensor.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        """List the tensors of files, given by the prefix that their names get.

        Raises:
            CheckpointError: if a file is missing, truncated, or no file of tensors; if two hold the same name.
        """
        self.facts: dict[str, TensorFacts] = {}
        self._places: dict[str, tuple[Path, str]] = {}
        self._open: tuple[Path, dict[str, Tensor]] | None = None
        for key, path in files.items():
            prefix = key.partition("|")[0]
            for name, facts in _facts(path).items():
                full = prefix + name
                if full in self.facts:
                    raise CheckpointError(f"'{full}' is in {self._places[full][0].name} and again in {path.name}")
                self.facts[full], self._places[full] = facts, (path, name)

    def read(self, name: str) -> Tensor:
        """Read one tensor.

        Raises:
            CheckpointError: if its file cannot be read.
        """
        path, own = self._places[name]
        if path.suffix == SAFE_SUFFIX:
            with _opened(path) as file:
                return file.get_tensor(own)
        if _can_map(path):
            return _unpickled(path)[own]
        if self._open is None or self._open[0] != path:
            self._open = None  # let go of one file before the next is read
            self._open = (path, _unpickled(path))
        return self._open[1][own]


def _facts(path: Path) -> dict[str, TensorFacts]:
    if path.suffix == SAFE_SUFFIX:
        with _opened(path) as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
            found = {name: (str(each.get_dtype()), each.get_shape()) for name, each in slices.items()}
    else:
        loaded = _unpickled(path, on_meta=True)
        found = {name: (TYPES.get(each.dtype, str(each.dtype)), each.shape) for name, each in loaded.items()}
    unknown = sorted({dtype for dtype, _ in found.values()} - WIDTHS.keys())
    if unknown:
        raise CheckpointError(f"{path} holds numbers of type {', '.join(unknown)}, which cannot be read here")
    return {name: TensorFacts(dtype, tuple(shape), path.name) for name, (dtype, shape) in found.items()}


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file (truncated?): {error}") from error


def _unpickled(path: Path, *, on_meta: bool = False) -> dict[str, Tensor]:
    """Read a pickled file without running anything that it says; only tensors in a flat mapping are taken."""
    try:
        found = torch.load(path, map_location="meta" if on_meta else "cpu", weights_only=True, mmap=_can_map(path))
    except Exception as error:  # the unpickler refuses in many ways, and so does a truncated archive
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} cannot be read as weights alone: {text}; a file that needs more than that could run anything, "
            "so convert it to safetensors where you trust it"
        ) from error
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(each, Tensor) for each in found.values()):
        raise CheckpointError(f"{path} does not hold a mapping of names to tensors")
    return found


def _can_map(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"
