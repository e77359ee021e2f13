"""`diptych check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import click

from diptych.cli.options import json_option, print_json, set_option
from diptych.spec.files import read_spec, spec_hash
from diptych.spec.wiring import Resolved, resolve


if TYPE_CHECKING:
    from diptych.costs import Costs


@click.command("check")
@click.argument("spec", type=click.Path())
@click.option("--no-costs", is_flag=True, help="Ports only; torch is not imported.")
@set_option
@json_option
def command(spec: str, no_costs: bool, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check the model spec SPEC, a file or a checkpoint's folder: what fits what, then what it costs.

    Nothing is allocated.

    \b
    Examples:
      diptych check pocket.yaml
      diptych check pocket.yaml --set generate.features.sampler.steps=8 --json
    """
    resolved = resolve(read_spec(spec, overrides=overrides), spec)
    measured = None
    if not no_costs:
        from diptych.cli.progress import working

        with working("measuring costs"):
            measured = _costs(resolved)
    if as_json:
        print_json(_data(resolved, measured))
        return
    print_ports(resolved)
    if measured:
        print_costs(measured)


def _costs(resolved: Resolved) -> Costs:
    from diptych.costs import costs

    return costs(resolved)


def print_ports(resolved: Resolved) -> None:
    """Print the table of ports with resolved sizes."""
    click.echo(f"{resolved.spec.name} ({spec_hash(resolved.spec)})\n")
    rows = [(row.part, row.direction, row.port, row.axes, row.sizes) for row in resolved.rows]
    for row in _aligned([("part", "", "port", "axes", "sizes"), *rows]):
        click.echo(row)


def print_costs(measured: Costs) -> None:
    """Print parameters by part, memory by kind and FLOPs by task."""
    total = sum(measured.parameters.values())
    click.echo("\nparameters")
    rows = [(name, f"{count:,}", f"{count / max(total, 1):.1%}") for name, count in measured.parameters.items()]
    for row in _aligned([*rows, ("total", f"{total:,}", "")]):
        click.echo(f"  {row}")
    click.echo("\nmemory")
    for row in _aligned([(name, _bytes(count)) for name, count in measured.memory.items()]):
        click.echo(f"  {row}")
    click.echo("\nFLOPs")
    for row in _aligned([(f"per {name}", f"{count / 1e9:,.3f} G") for name, count in measured.flops.items()]):
        click.echo(f"  {row}")
    click.echo(f"  ({'; '.join(measured.assumptions)})")


def _data(resolved: Resolved, measured: Costs | None) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": resolved.spec.name,
        "spec": spec_hash(resolved.spec),
        "ports": [attrs.asdict(row) for row in resolved.rows],
    }
    return data | (attrs.asdict(measured) if measured else {})


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _bytes(count: int) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:,.1f} {unit}" if unit != "B" else f"{count} B"
        count = count / 1000  # type: ignore[assignment]
    raise AssertionError
