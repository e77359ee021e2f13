"""`diptych generate`."""

from __future__ import annotations

from pathlib import Path

import click

from diptych.cli.options import load_model, readable
from diptych.cli.painted import check_request, painting_options, thoughts_before, write_painted


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
    thought: str | None,
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
    negative, thought = (None if each is None else readable((each,))[0] for each in (negative, thought))
    check_request(n, out, thought)

    from diptych.cli.progress import counted
    from diptych.spec.abilities import must_paint, must_think

    painter = load_model(model, device, dtype, must_paint if thought is None else must_think)
    each, seeds = [prompt for prompt in prompts for _ in range(n)], [seed + j for _ in prompts for j in range(n)]
    thoughts = thoughts_before(painter, each, seeds, thought)
    with counted("painting") as progress:
        pictures = painter.generate(each, seed=seeds, negative=negative, thoughts=thoughts, progress=progress)
    facts = {"negative": negative} if negative else {}
    write_painted(painter, pictures, prompts, facts, thoughts, n=n, seed=seed, out=out, scale=scale, as_json=as_json)
