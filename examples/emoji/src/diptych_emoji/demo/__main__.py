"""`python -m diptych_emoji.demo`: ask, paint, judge, and write a report."""

from __future__ import annotations

import time
from pathlib import Path

import click

from diptych.cli.check_command import print_ports
from diptych.cli.main import run
from diptych.errors import OutputError


@click.command()
@click.option(
    "--model", default="pocket", show_default=True, help="A registered name or a checkpoint folder."
)
@click.option(
    "--out",
    default="out/demo",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder to write to.",
)
@click.option(
    "--seed", default=0, show_default=True, help="Decides pictures, questions and prompts."
)
def demo(model: str, out: Path, seed: int) -> None:
    """Ask a model about held-out pictures, paint held-out prompts, judge them, and write OUT/report.html."""
    began = time.monotonic()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write to {out}: {error.strerror}; choose another --out"
        ) from error

    import torch

    from diptych.checkpoint.io import load
    from diptych.spec.wiring import resolve
    from diptych_emoji.demo.report import write_report
    from diptych_emoji.demo.show import answer_some, paint_some

    loaded = load(model)
    print_ports(resolve(loaded.spec))
    parameters = sum(each.numel() for each in loaded.parts.parameters())
    click.echo(f"\n{parameters:,} parameters, {torch.get_num_threads()} threads\n")

    answered = answer_some(loaded, seed)
    for each in answered:
        click.echo(each.line())
    right = sum(each.right for each in answered)
    click.echo(
        f"{right} of {len(answered)} answers right, on scenes with contents never seen in training\n"
    )

    painted = paint_some(loaded, seed, out)
    for picture in painted:
        click.echo(picture.line())
    good = sum(each.verdict.correct for each in painted)
    click.echo(
        f"the judge accepts {good} of {len(painted)} (it never saw these drawing styles, and we did not train it)\n"
    )

    report = write_report(out / "report.html", answered, painted, loaded)
    click.echo(f"{report}  ({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    run(demo)
