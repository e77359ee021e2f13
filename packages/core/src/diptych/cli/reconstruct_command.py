"""`diptych reconstruct`."""

from __future__ import annotations

from pathlib import Path

import click

from diptych.cli.options import load_model
from diptych.cli.painted import check_request, write_painted, written_options


@click.command("reconstruct")
@click.argument("model", type=click.Path())
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@written_options
def command(
    model: str,
    pictures: tuple[Path, ...],
    out: Path,
    scale: int,
    seed: int,
    device: str,
    dtype: str,
    as_json: bool,
) -> None:
    """Encode PICTURES as what MODEL decodes, and decode them again: the best that painting with it could be.

    \b
    Example:
      diptych reconstruct models/siglip2-sana cat.png dog.png --out out
    """
    check_request(1, out)

    from diptych.cli.progress import working
    from diptych.data.preprocess import open_picture
    from diptych.spec.abilities import must_reconstruct

    shown = [open_picture(each) for each in pictures]
    loaded = load_model(model, device, dtype, must_reconstruct)
    with working("reconstructing"):
        made = loaded.reconstruct(shown, seed=seed)
    names = [each.name for each in pictures]
    write_painted(loaded, made, names, {"task": "reconstruct"}, n=1, seed=seed, out=out, scale=scale, as_json=as_json)
