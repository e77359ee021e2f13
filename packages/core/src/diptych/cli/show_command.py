"""`diptych show`."""

from __future__ import annotations

import inspect
from typing import Any

import attrs
import click

from diptych.cli.options import json_option, print_json
from diptych.errors import UnknownNameError
from diptych.plugins import registry
from diptych.registry import KINDS, Registered


@click.command("show")
@click.argument("name")
@json_option
def command(name: str, as_json: bool) -> None:
    """Show what the part NAME is, its fields and presets. Say KIND/NAME where several kinds share a name.

    \b
    Examples:
      diptych show latent-queries
      diptych show head/linear
    """
    entries = _find(name)
    shown = [_describe(entry) for entry in entries]
    if as_json:
        print_json(shown)
        return
    for each in shown:
        click.echo(f"{each['kind']} {each['type']} ({each['from']})\n  {each['doc']}\n")
        for field in each["fields"]:
            click.echo(f"  {field['name']}: {field['value_type']} = {field['default']}\n      {field['doc']}")
        if each["presets"]:
            click.echo(f"  presets: {', '.join(each['presets'])}")


def _find(name: str) -> list[Registered]:
    kind, slash, own = name.rpartition("/")
    if slash and kind not in KINDS:
        raise UnknownNameError("kind", kind, KINDS)
    found = [e for e in registry().entries(kind or None) if own in (e.component.name, *e.component.aliases)]
    if not found:
        raise UnknownNameError(
            kind or "part", own, {e.component.name for e in registry().entries(kind or None)}, registry().failures
        )
    return found


def _describe(entry: Registered) -> dict[str, Any]:
    cls = entry.load()
    fields = [] if not attrs.has(cls) else [_field(each) for each in attrs.fields(cls)]
    return {
        "kind": entry.kind,
        "type": entry.component.name,
        "from": entry.distribution,
        "doc": inspect.getdoc(cls) or entry.component.summary,
        "fields": fields,
        "presets": sorted(cls.presets()) if hasattr(cls, "presets") else [],
    }


def _field(field: Any) -> dict[str, str]:
    if field.default is attrs.NOTHING:
        default = "(required)"
    elif field.metadata.get("inferred"):
        default = "(inferred)"
    else:
        default = "{}" if isinstance(field.default, attrs.Factory) else repr(field.default)  # type: ignore[arg-type]
    return {
        "name": field.name,
        "value_type": str(field.type),
        "default": default,
        "doc": field.metadata.get("doc", ""),
    }
