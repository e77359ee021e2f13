"""`diptych train`."""

from __future__ import annotations

import click

from diptych.cli.options import check_device, set_option


@click.command("train")
@click.argument("recipe", type=click.Path())
@click.option(
    "--out", required=True, type=click.Path(), help="Folder for the model, the state to resume from and the log."
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps …")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; torch's default unless given.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@set_option
def command(recipe: str, out: str, device: str, threads: int | None, quiet: bool, overrides: tuple[str, ...]) -> None:
    """Train by RECIPE, or go on where an earlier run with the same --out stopped.

    \b
    Examples:
      diptych train recipes/pocket.yaml --out runs/pocket
      diptych train recipes/pocket.yaml --out runs/try --set stages.paint.lr=0.0005
    """
    from diptych.spec.files import read_spec
    from diptych.spec.recipe import Recipe

    read = read_spec(recipe, Recipe, overrides)
    check_device(device)

    import torch

    from diptych.training.run import train

    if threads:
        torch.set_num_threads(threads)
    train(read, out, device=device, quiet=quiet)
    click.echo(f"{out}/model")
