"""Puts weights of an official checkpoint into a module of ours: all that it needs, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers.utils import logging

from diptych.checkpoint.tensors import fill
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


def load_official(kind: Any, source: str, **options: Any) -> dict[str, Tensor]:
    """Load a checkpoint with its official class, which knows older names of its tensors.

    The official class fills what does not fit with fresh weights and only logs it; here that is undone, so that
    `copy_weights` sees what the file holds.

    Returns:
        The tensors of the file by the names of the official class: those that it lacks are not there, those that the
        class does not know are (as empty tensors), and those of another shape or type have that.

    Raises:
        CheckpointError: if the files cannot be read.
    """
    try:
        with _quiet():
            model, report = kind.from_pretrained(
                source, output_loading_info=True, ignore_mismatched_sizes=True, low_cpu_mem_usage=False, **options
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"weights '{source}' cannot be read as a {kind.__name__}: {error}") from error
    tensors = {name: value for name, value in model.state_dict().items() if name not in set(report["missing_keys"])}
    for name, shape, _ in report["mismatched_keys"]:
        tensors[name] = torch.empty(tuple(shape))
    for name, whole in _whole_numbers(source, options.get("subfolder")).items():
        for known in [each for each in tensors if name == each or name.endswith(f".{each}")]:
            if tensors[known].is_floating_point():
                tensors[known] = whole
    return {**tensors, **{name: torch.empty(0) for name in report["unexpected_keys"]}}


def copy_weights(
    module: nn.Module, tensors: Mapping[str, Tensor], source: str, *, unused: Iterable[str] = (), whole: bool = False
) -> None:
    """Copy tensors into a module.

    Args:
        module: the module to fill; its dtype and device stay.
        tensors: what a checkpoint holds, by the names that the module uses.
        source: for the message.
        unused: patterns (`re.match`) of names that the checkpoint may hold although the module has no use for them.
        whole: every tensor must be the module's, or match one of `unused`; otherwise those that have values (and
            which the official class therefore knows) are passed over.

    Raises:
        CheckpointError: listing all names that only one side has, all shapes and types that differ, and all tensors
            with NaN or infinity; the module is left as it was.
    """
    own, patterns = module.state_dict(), re.compile("|".join(unused) or r"(?!)")
    wanted = {
        name: value
        for name, value in tensors.items()
        if name in own or not (patterns.match(name) or (value.numel() and not whole))
    }
    fill(module, wanted, f"weights '{source}'")


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the official class's log of what does not fit: the error of `copy_weights` says it."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _whole_numbers(source: str, subfolder: str | None) -> dict[str, Tensor]:
    """Return the tensors of whole numbers (quantised weights, say) in a checkpoint; official classes cast them."""
    folder = Path(source)
    if not folder.is_dir():
        config = try_to_load_from_cache(source, f"{subfolder}/config.json" if subfolder else "config.json")
        if not isinstance(config, str):
            return {}
        folder = Path(config).parent
    elif subfolder:
        folder = folder / subfolder
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 (it is no mapping)
                if not file.get_slice(name).get_dtype().startswith(("F", "BF")):
                    found[name] = file.get_tensor(name)
    return found
