"""`diptych list`."""

from __future__ import annotations

import click

from diptych.cli.options import json_option, print_json
from diptych.errors import UnknownNameError
from diptych.plugins import registry
from diptych.registry import KINDS


@click.command("list")
@click.argument("kind", required=False)
@json_option
def command(kind: str | None, as_json: bool) -> None:
    """List registered parts, of one KIND or of all.

    \b
    Examples:
      diptych list
      diptych list head --json
    """
    if kind is not None and kind not in KINDS:
        raise UnknownNameError("kind", kind, KINDS)
    entries = list(registry().entries(kind))
    if as_json:
        rows = [
            {"kind": e.kind, "type": e.component.name, "summary": e.component.summary, "from": e.distribution}
            for e in entries
        ]
        print_json(rows)
        return
    width = max((len(each.component.name) for each in entries), default=0)
    shown = None
    for each in entries:
        if each.kind != shown:
            shown = each.kind
            click.echo(f"\n{shown}: {KINDS[shown]}")
        click.echo(f"  {each.component.name:<{width}}  {each.component.summary}  ({each.distribution})")
    for note in registry().failures:
        click.echo(f"note: {note}", err=True)
