"""`diptych doctor`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from diptych.cli.options import json_option, print_json
from diptych.plugins import plugins


_PACKAGES = (
    "diptych", "diptych-encoders", "diptych-heads", "diptych-kernels", "torch", "triton", "transformers", "diffusers",
    "safetensors", "tokenizers",
)  # fmt: skip


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Say what is installed, which plugins loaded or failed and why, which devices and kernels there are.

    \b
    Example:
      diptych doctor --json
    """
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "plugins": [
            {"name": p.name, "from": f"{p.distribution} {p.version}", "error": p.error} for p in plugins().loaded
        ],
        "devices": _devices(),
        "kernels": _kernels(),
    }
    if as_json:
        print_json(found)
    else:
        _print(found)
    if any(each["error"] for each in found["plugins"]):
        raise SystemExit(1)


def _print(found: dict[str, Any]) -> None:
    click.echo(f"python {found['python']}")
    for name, number in found["packages"].items():
        click.echo(f"  {name:<18} {number or 'not installed'}")
    click.echo("plugins")
    for each in found["plugins"]:
        click.echo(f"  {each['name']:<18} {each['from']}: {'FAILED: ' + each['error'] if each['error'] else 'ok'}")
    click.echo(f"devices: {', '.join(found['devices'])}")
    click.echo("kernels")
    for name, text in found["kernels"].items():
        click.echo(f"  {name:<18} {text}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _devices() -> list[str]:
    try:
        import torch
    except ImportError as error:
        return [f"none: torch cannot be imported: {error}"]
    devices = [f"cpu ({torch.get_num_threads()} threads)"]
    devices += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    return devices + (["mps"] if torch.backends.mps.is_available() else [])


def _kernels() -> dict[str, str]:
    """Say for each fused operation what would run here, and why other implementations would not."""
    try:
        import diptych_kernels
    except ImportError as error:
        return {"not installed": str(error)}
    return {name: str(diptych_kernels.explain(name)) for name in diptych_kernels.operations()}
