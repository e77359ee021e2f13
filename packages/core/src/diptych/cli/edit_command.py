"""`diptych edit`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from diptych.cli.options import load_model, readable
from diptych.cli.painted import check_request, painting_options, thoughts_before, write_painted
from diptych.errors import RequestError


@click.command("edit")
@click.argument("model", type=click.Path())
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("instruction")
@painting_options
def command(
    model: str,
    pictures: tuple[Path, ...],
    instruction: str,
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
    """Change PICTURES, one or several together, as INSTRUCTION says, with MODEL: PNGs as `diptych generate` writes.

    \b
    Example:
      diptych edit models/next-edit cat.png "make the cat blue" --n 4 --out out
    """
    instruction = readable((instruction,))[0]
    negative, thought = (None if each is None else readable((each,))[0] for each in (negative, thought))
    if os.path.isfile(instruction):  # noqa: PTH113 - Path.is_file raises for a text longer than names may be
        raise RequestError(
            f"'{instruction}' stands where the instruction belongs, and is a file; say last what to change"
        )
    check_request(n, out, thought)

    from diptych.cli.progress import counted
    from diptych.data.preprocess import open_picture
    from diptych.spec.abilities import must_edit, must_think

    shown = [open_picture(each) for each in pictures]
    painter = load_model(model, device, dtype, must_edit, *([] if thought is None else [must_think]))
    said, seeds, about = [instruction] * n, [seed + j for j in range(n)], [shown] * n
    thoughts = thoughts_before(painter, said, seeds, thought, pictures=about)
    with counted("painting") as progress:
        painted = painter.edit(about, said, seed=seeds, negative=negative, thoughts=thoughts, progress=progress)
    facts = {"edited": ", ".join(each.name for each in pictures), **({"negative": negative} if negative else {})}
    write_painted(
        painter, painted, [instruction], facts, thoughts, n=n, seed=seed, out=out, scale=scale, as_json=as_json
    )
