"""`diptych generate`."""

from __future__ import annotations

from pathlib import Path

import click

from diptych.cli.options import load_model, readable
from diptych.cli.painted import check_request, painting_options, write_painted


@click.command("generate")
@click.argument("model", type=click.Path())
@click.argument("prompts", nargs=-1, required=True)
@painting_options
def command(
    model: str,
    prompts: tuple[str, ...],
    n: int,
    out: Path,
    scale: int,
    negative: str | None,
    seed: int,
    device: str,
    dtype: str,
    as_json: bool,
) -> None:
    """Paint pictures from PROMPTS with MODEL: PNGs that carry prompt, seed and spec hash, and a contact sheet.

    \b
    Example:
      diptych generate runs/pocket/model "two red hearts" "a key above a banana" --n 4 --out out
    """
    prompts = readable(prompts)
    negative = readable((negative,))[0] if negative is not None else None
    check_request(n, out)

    from diptych.cli.progress import counted
    from diptych.spec.abilities import must_paint

    painter = load_model(model, device, dtype, must_paint)
    with counted("painting") as progress:
        pictures = painter.generate(list(prompts), n=n, seed=seed, negative=negative, progress=progress)
    facts = {"negative": negative} if negative else {}
    write_painted(painter, pictures, prompts, facts, n=n, seed=seed, out=out, scale=scale, as_json=as_json)
