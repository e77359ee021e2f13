"""`diptych export`."""

from __future__ import annotations

from pathlib import Path

import click

from diptych.cli.options import check_writable, json_option, print_json


@click.command("export")
@click.argument("importer")
@click.argument("model", type=click.Path())
@click.argument("destination", type=click.Path(path_type=Path))
@json_option
def command(importer: str, model: str, destination: Path, as_json: bool) -> None:
    """Write MODEL in the layout of IMPORTER (`diptych list importer`) to the folder DESTINATION.

    \b
    Example:
      diptych export blip3o runs/tuned/model exports/tuned
    """
    from diptych.plugins import registry

    registry().find("importer", importer)
    check_writable(destination, "DESTINATION")

    from diptych.cli.progress import counted
    from diptych.importing.send import export_checkpoint

    with counted("exporting") as told:
        sent = export_checkpoint(importer, model, destination, told=told)
    if as_json:
        print_json({"folder": str(destination), "tensors": sent.tensors, "files": list(sent.files)})
        return
    for path, why in sent.left_out.items():
        click.echo(f"not written: {path}, which this checkpoint left out ({why})", err=True)
    click.echo(str(destination))
