"""`diptych import`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from diptych.cli.options import check_writable, json_option, print_json


@click.command("import")
@click.argument("importer")
@click.argument("source")
@click.argument("destination", type=click.Path(path_type=Path))
@click.option("--with", "include", multiple=True, metavar="SLOT", help="Import a slot that is left out otherwise.")
@click.option("--allow", "allowed", multiple=True, metavar="NAME", help="Tensors that may be unmatched; * fits all.")
@click.option(
    "--numerics",
    type=click.Choice(["clean", "reference"]),
    default="clean",
    show_default=True,
    help="What is right, or what the original code did.",
)
@json_option
def command(
    importer: str,
    source: str,
    destination: Path,
    include: tuple[str, ...],
    allowed: tuple[str, ...],
    numerics: Literal["clean", "reference"],
    as_json: bool,
) -> None:
    """Read the foreign checkpoint SOURCE, a folder or hub id, and write it as ours to DESTINATION.

    IMPORTER is one of `diptych list importer`. Nothing is written unless every tensor on both sides is accounted for.

    \b
    Examples:
      diptych import blip3o BLIP3o/BLIP3o-Model-8B models/blip3o-8b
      diptych import blip3o downloads/blip3o-4b models/blip3o-4b --with vision.clip
    """
    from diptych.plugins import registry

    registry().find("importer", importer)
    check_writable(destination, "DESTINATION")

    from diptych.cli.progress import counted
    from diptych.importing.bring import import_checkpoint

    with counted("importing") as told:
        done = import_checkpoint(
            importer, source, destination, include=include, allowed=allowed, numerics=numerics, told=told
        )
    if as_json:
        print_json(
            {
                "model": str(destination),
                "tensors": done.tensors,
                "left_out": dict(done.left_out),
                "skipped": dict(done.skipped),
                "absent": dict(done.absent),
                "unread": list(done.unread),
            }
        )
        return
    for path, why in done.left_out.items():
        click.echo(f"left out {path}: {why}", err=True)
    for path, why in done.absent.items():
        click.echo(f"without {path}: {why}", err=True)
    for file in done.unread:
        click.echo(f"not read: {file}", err=True)
    reasons: dict[str, int] = {}
    for why in done.skipped.values():
        reasons[why] = reasons.get(why, 0) + 1
    for why, count in reasons.items():
        if why not in done.left_out.values():
            click.echo(f"skipped {count} tensors: {why}", err=True)
    click.echo(str(destination))
