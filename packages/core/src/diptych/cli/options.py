"""Options that several commands share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diptych.errors import OutputError, RequestError


if TYPE_CHECKING:
    from diptych.model import UnifiedModel
    from diptych.spec.model import ModelSpec

    Must = Callable[[ModelSpec], None]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="A.B.C=VALUE", help="Change one value of the file."
)
seed_option = click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, 2**62), help="Decides all randomness."
)


def device_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --device and --dtype."""
    choices = click.Choice(["float32", "bfloat16", "float16", "float64"])
    function = click.option("--dtype", type=choices, default="float32", show_default=True, help="Type to compute in.")(
        function
    )
    return click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps …")(function)


def readable(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Replace what a terminal could not decode by "?", so that it can be encoded, written and printed."""
    return tuple(each.encode("utf-8", "replace").decode("utf-8") for each in texts)


def check_writable(folder: Path, given_as: str) -> None:
    """Say at once that a folder cannot be written to, before the work whose results it shall hold; makes nothing.

    `given_as` is the option or argument that names it.

    Raises:
        OutputError: if it, or what it would be made in, is no folder or may not be written to.
    """
    try:
        nearest = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        why = "" if nearest.is_dir() else f"{nearest} is not a folder"
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
    if not why and not os.access(nearest, os.W_OK | os.X_OK):
        why = f"{nearest} may not be written to"
    if why:
        raise OutputError(f"cannot write to {folder}: {why}; choose another {given_as}")


def print_json(data: Any) -> None:
    """Print plain data as JSON."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def load_model(path: str, device: str, dtype: str, *must: Must) -> UnifiedModel:
    """Load a checkpoint folder for a command; `must` are those of `diptych.spec.abilities` that the command needs.

    Raises:
        RequestError: if the device is not there, or the model cannot do what it must: no weights are read then.
        CheckpointError: if the folder is not a checkpoint.
    """
    from diptych.cli.progress import working

    with working(f"loading {path}"):
        return _load(path, device, dtype, must)


def _load(path: str, device: str, dtype: str, must: tuple[Must, ...]) -> UnifiedModel:
    import torch

    from diptych.checkpoint.io import load

    check_device(device)
    return load(path, device=device, dtype=getattr(torch, dtype), must=must)


def check_device(device: str) -> None:
    """Refuse a device that is not there.

    Raises:
        RequestError: saying why.
    """
    import torch

    try:
        torch.empty(0, device=torch.device(device))
    except (RuntimeError, AssertionError) as error:
        text = str(error).splitlines()[0]
        raise RequestError(f"--device {device} cannot be used here: {text}; `diptych doctor` lists devices") from error
