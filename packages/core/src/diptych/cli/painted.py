"""What painting commands share: options, and PNGs that remember how they were made, with a contact sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diptych.cli.options import check_writable, device_options, json_option, print_json, seed_option
from diptych.errors import OutputError, RequestError


if TYPE_CHECKING:
    from PIL import Image

    from diptych.model import UnifiedModel


def written_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --out, --scale, --seed, --device, --dtype and --json."""
    scale, folder = click.IntRange(1, 64), click.Path(path_type=Path)
    for option in (
        json_option,
        device_options,
        seed_option,
        click.option("--scale", default=1, show_default=True, type=scale, help="Enlarge pictures by this factor."),
        click.option("--out", default="out", show_default=True, type=folder, help="Folder for the PNGs."),
    ):
        function = option(function)
    return function


def painting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --n, --negative, --thought and the `written_options`."""
    thought = click.option(
        "--thought",
        default=None,
        metavar="TEXT",
        help="In the place of what the model thinks before it paints.",
    )
    negative = click.option("--negative", default=None, metavar="PROMPT", help="What guidance leads away from.")
    many = click.option("--n", default=1, show_default=True, help="Pictures a prompt.")
    return many(negative(thought(written_options(function))))


def check_request(n: int, out: Path, thought: str | None = None) -> None:
    """Refuse, before a model is loaded, what could not be painted or written.

    Raises:
        RequestError: if n < 1, or the thought is blank.
        OutputError: if the folder cannot be written to.
    """
    if n < 1:
        raise RequestError(f"--n is {n}, but at least 1 picture a prompt can be painted")
    if thought is not None and not thought.strip():
        raise RequestError("--thought is empty; leave it out, or say what stands where")
    check_writable(out, "--out")


def thoughts_before(
    painter: UnifiedModel, prompts: Sequence[str], seeds: Sequence[int], given: str | None, **pictures: Any
) -> list[str] | None:
    """Return a thought for each prompt: the one `given`, or the model's own; None if it does not think."""
    from diptych.cli.progress import working

    if given is not None:
        return [given] * len(prompts)
    if painter.spec.think is None:
        return None
    with working("thinking"):
        return painter.think(prompts, seed=seeds, **pictures)


def write_painted(
    painter: UnifiedModel,
    pictures: Sequence[Image.Image],
    prompts: Sequence[str],
    facts: Mapping[str, str],
    thoughts: Sequence[str] | None = None,
    *,
    n: int,
    seed: int,
    out: Path,
    scale: int,
    as_json: bool,
) -> None:
    """Write `n` pictures a prompt, and say where they are.

    `facts` stand in each PNG, beside prompt, seed and spec, and so does the thought that it was painted from.

    Raises:
        OutputError: if the folder cannot be made.
    """
    from diptych.pictures import contact_sheet, save_png
    from diptych.spec.files import spec_hash

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror}; choose another --out") from error
    rows, mark = [], spec_hash(painter.spec)
    for index, picture in enumerate(pictures):
        prompt, own_seed = prompts[index // n], seed + index % n
        path = out / f"{index // n:03d}-{own_seed}.png"
        thought = {"thought": thoughts[index]} if thoughts else {}
        save_png(picture, path, {"prompt": prompt, **thought, **facts, "seed": str(own_seed), "spec": mark}, scale)
        rows.append({"file": str(path), "prompt": prompt, **thought, "seed": own_seed})
    sheet = out / "sheet.png"
    save_png(contact_sheet(pictures, list(prompts), n), sheet, {"spec": mark})
    if as_json:
        print_json({"pictures": rows, "sheet": str(sheet), "spec": mark})
        return
    for row in rows:
        thinking = f"  ({row['thought']})" if thoughts else ""
        click.echo(f"{row['file']}  {row['prompt']}{thinking}")
    click.echo(str(sheet))
