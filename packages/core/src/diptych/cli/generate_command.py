"""`diptych generate`."""

from __future__ import annotations

from pathlib import Path

import click

from diptych.cli.options import (
    check_writable,
    device_options,
    json_option,
    load_model,
    print_json,
    readable,
    seed_option,
)
from diptych.errors import OutputError, RequestError


@click.command("generate")
@click.argument("model", type=click.Path())
@click.argument("prompts", nargs=-1, required=True)
@click.option("--n", default=1, show_default=True, help="Pictures a prompt.")
@click.option("--out", default="out", show_default=True, type=click.Path(path_type=Path), help="Folder for the PNGs.")
@click.option(
    "--scale", default=1, show_default=True, type=click.IntRange(1, 64), help="Enlarge pictures by this factor."
)
@click.option("--negative", default=None, metavar="PROMPT", help="What guidance leads away from.")
@seed_option
@device_options
@json_option
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
    if n < 1:
        raise RequestError(f"--n is {n}, but at least 1 picture a prompt can be painted")
    check_writable(out, "--out")

    from diptych.cli.progress import counted
    from diptych.pictures import contact_sheet, save_png
    from diptych.spec.files import spec_hash

    painter = load_model(model, device, dtype)
    with counted("painting") as progress:
        pictures = painter.generate(list(prompts), n=n, seed=seed, negative=negative, progress=progress)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror}; choose another --out") from error
    rows, mark = [], spec_hash(painter.spec)
    for index, picture in enumerate(pictures):
        prompt, own_seed = prompts[index // n], seed + index % n
        path = out / f"{index // n:03d}-{own_seed}.png"
        facts = {"prompt": prompt, **({"negative": negative} if negative else {})}
        save_png(picture, path, {**facts, "seed": str(own_seed), "spec": mark}, scale)
        rows.append({"file": str(path), "prompt": prompt, "seed": own_seed})
    sheet = out / "sheet.png"
    save_png(contact_sheet(pictures, list(prompts), n), sheet, {"spec": mark})
    if as_json:
        print_json({"pictures": rows, "sheet": str(sheet), "spec": mark})
        return
    for row in rows:
        click.echo(f"{row['file']}  {row['prompt']}")
    click.echo(str(sheet))
