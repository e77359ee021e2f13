"""`diptych push`."""

from __future__ import annotations

import click

from diptych.cli.options import json_option, print_json


@click.command("push")
@click.argument("model", type=click.Path())
@click.argument("repo_id")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--message", default="A Diptych checkpoint", show_default=True, help="Of the commit.")
@json_option
def command(model: str, repo_id: str, private: bool, message: str, as_json: bool) -> None:
    """Upload the checkpoint folder MODEL to the model hub as REPO_ID, with a model card, in one commit.

    \b
    Example:
      diptych push runs/pocket/model org/pocket
    """
    from diptych.checkpoint.hub import push
    from diptych.cli.progress import working

    with working(f"uploading to {repo_id}"):
        place = push(model, repo_id, private=private, message=message)
    print_json({"url": place}) if as_json else click.echo(place)
