"""Measures how far each sampler ends from the exact solution, by evaluations of the network.

    python -m diptych_heads.benchmarks.accuracy CHECKPOINT [--prompts FILE]

Prompts are painted from the same noise by every sampler and by Euler with 1,000 steps, which stands
for the exact solution, under the guidance of the model's own spec. A distance is the root mean
square of the difference over that of the solution, in the head's units: over all samples, and
(behind the stroke) the median over samples, which one that turned to another solution cannot move.
`own` is the sampler of the model's spec, `given` is `abm` that stops at `--times`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch
from torch import Tensor

from diptych.seeds import generators
from diptych_heads.benchmarks.chart import chart
from diptych_heads.samplers.adams_moulton_spec import AdamsMoulton
from diptych_heads.samplers.specs import (
    AdamsBashforth2,
    Ddim,
    DpmSolver2M,
    Euler,
    Heun,
    Midpoint,
)


PROMPTS = ("a red apple", "a yellow star", "a green tree", "a blue fish", "a cat", "a house")
SAMPLERS: dict[str, tuple[type, Callable[[int], int]]] = {
    "euler": (Euler, lambda n: n),
    "ddim": (Ddim, lambda n: n),
    "heun": (Heun, lambda n: (n + 1) // 2),
    "midpoint": (Midpoint, lambda n: n // 2),
    "ab2": (AdamsBashforth2, lambda n: n),
    "abm": (AdamsMoulton, lambda n: n),
    "dpm++2m": (DpmSolver2M, lambda n: n),
}
"""Each sampler, and its steps for at most n evaluations."""
MULTISTEP = ("ab2", "abm", "dpm++2m", "own", "given")


class Distance(NamedTuple):
    """From a solution, as a share of it: of all samples together, and of the median one."""

    whole: float
    median: float

    @classmethod
    def between(cls, found: Tensor, exact: Tensor) -> Distance:
        """Measure targets `b n c` against a solution."""
        whole = ((found - exact).square().mean() / exact.square().mean()).sqrt()
        return cls(whole.item(), distance_of_each(found, exact).median().item())


def distance_of_each(found: Tensor, exact: Tensor) -> Tensor:
    """Measure each target of `b n c` on its own, against its solution: -> `b`."""
    off, size = (each.square().mean(dim=(1, 2)) for each in (found - exact, exact))
    return (off / size).sqrt()


def lines_of(file: Path) -> list[str]:
    """Read prompts, one a line.

    Raises:
        UsageError: if there are none.
    """
    lines = [each.strip() for each in file.read_text(encoding="utf-8").splitlines()]
    if not any(lines):
        raise click.UsageError(f"{file} holds no prompts; write one a line")
    return [each for each in lines if each]


def painter(
    checkpoint: str, prompts: Sequence[str], seeds: int, step: str | None
) -> tuple[Callable[[Any], Tensor], list[int], Any]:
    """Load a model: -> (sampler spec -> targets `b n c`), a list that counts, its own sampler."""
    import diptych

    model = diptych.load(checkpoint)
    wanted = model.spec.step(step) if step else model.spec.generate[-1]
    own = [seed for _ in prompts for seed in range(seeds)]
    with torch.inference_mode():
        wishes = model.considered([prompt for prompt in prompts for _ in range(seeds)], own)
        condition, mask = model.conditions(model.painting(wishes, wanted.name), wanted.name)
    head: Any = model.parts.step(wanted.name)["head"]
    built: Any = wanted.guidance.build() if wanted.guidance else None
    count = [0]
    head.network.register_forward_hook(lambda *_: count.__setitem__(0, count[0] + 1))

    def paint(sampler: Any) -> Tensor:
        count[0] = 0
        return head.sample(condition, mask, generators(own), sampler.build(), built)

    return paint, count, wanted.sampler


def distances(
    paint: Callable[[Any], Tensor],
    count: list[int],
    budgets: Sequence[int],
    shifts: Sequence[float],
    exact: Tensor,
) -> dict[str, dict[int, Distance]]:
    """Measure every sampler, under every time shift: -> distance by evaluations by name."""
    found: dict[str, dict[int, Distance]] = {}
    for name, (spec, steps) in SAMPLERS.items():
        for shift in shifts:
            row = found.setdefault(name if shift == 1 else f"{name} shift {shift:g}", {})
            for budget in budgets:
                made = paint(spec(steps=max(1, steps(budget)), shift=shift))
                row[count[0]] = Distance.between(made, exact)
    return found


@click.command(help=__doc__)
@click.argument("checkpoint")
@click.option("--prompt", "prompts", multiple=True, help="What is painted; repeat for more.")
@click.option("--prompts", "file", type=click.Path(path_type=Path, exists=True), help="One a line.")
@click.option("--times", default=None, help="For one more `abm`, commas between.")
@click.option("--seeds", default=2, show_default=True, help="Pictures a prompt.")
@click.option("--step", default=None, help="Which generate step; the last unless given.")
@click.option("--shift", "shifts", multiple=True, type=float, default=(1.0,), help="Of times.")
@click.option(
    "--exact", "exact_steps", default=1000, show_default=True, help="Steps of the solution."
)
@click.option("--budget", "budgets", multiple=True, type=int, default=(4, 6, 8, 10, 15, 20, 30))
@click.option("--svg", type=click.Path(path_type=Path), default=None, help="Where to draw medians.")
def main(
    checkpoint: str,
    prompts: Sequence[str],
    file: Path | None,
    times: str | None,
    seeds: int,
    step: str | None,
    shifts: Sequence[float],
    exact_steps: int,
    budgets: Sequence[int],
    svg: Path | None,
) -> None:
    """Print distances, and what a multistep sampler with at most 10 evaluations saves."""
    wanted = [*prompts, *(lines_of(file) if file else [])] or PROMPTS
    paint, count, own = painter(checkpoint, wanted, seeds, step)
    exact = paint(Euler(exact_steps))
    found = distances(paint, count, sorted({*budgets, 10, 30}), sorted({*shifts, 1.0}), exact)
    for name, sampler in (("own", own), ("given", times and _stopping(times))):
        if sampler:
            made = paint(sampler)
            found[name] = {count[0]: Distance.between(made, exact)}
    for name, row in found.items():
        click.echo(f"{name:17}" + "".join(_cell(n, each) for n, each in row.items()))
    goal = found["euler"][30]
    several = [
        (each, n, name)
        for name, row in found.items()
        for n, each in row.items()
        if name.startswith(MULTISTEP)
    ]
    for measure in Distance._fields:
        wanted_least = getattr(goal, measure)
        least, evaluations, name = min(
            (getattr(each, measure), n, name) for each, n, name in several if n <= 10
        )
        verdict = "at least as close" if least <= wanted_least else "not as close"
        of = "all samples" if measure == "whole" else "median sample"
        click.echo(
            f"{of}: euler, 30: {wanted_least:.4f}; {name}, {evaluations}: {least:.4f}: {verdict}"
        )
    enough = [(n, name) for each, n, name in several if each.whole <= goal.whole]
    if enough:
        fewest, name = min(enough)
        click.echo(f"as close with the fewest: {name}, {fewest}: {30 / fewest:.2f} times fewer")
    if svg is not None:
        lines = {name: {n: each.median for n, each in row.items()} for name, row in found.items()}
        svg.write_text(chart(lines), encoding="utf-8")
        click.echo(f"wrote {svg}")


def _stopping(text: str) -> AdamsMoulton:
    """Make `abm` with the times in a text.

    Raises:
        UsageError: if they are no falling numbers.
    """
    try:
        times = tuple(float(each) for each in text.split(","))
        return AdamsMoulton(len(times) + 1, times=times)
    except ValueError as error:
        raise click.UsageError(f"--times {text}: {error}") from error


def _cell(evaluations: int, distance: Distance) -> str:
    return f"  {evaluations:3}: {distance.whole:.4f}/{distance.median:.4f}"


if __name__ == "__main__":
    main()
