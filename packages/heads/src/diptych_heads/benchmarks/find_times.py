"""Searches the times at which `abm` should stop for a model; prints the sampler for its spec.

    python -m diptych_heads.benchmarks.find_times CHECKPOINT --prompts FILE [--steps 10]

How a trained velocity bends along t is much the same for all prompts, so that times found on some
serve others too: judge them on others, with `diptych_heads.benchmarks.accuracy`. The search moves
the lengths of steps at random, keeps what comes closer to the exact solution (the mean over samples
of the distance), and takes smaller moves where few do. Related: Align Your Steps, arXiv 2404.14507,
and Bespoke Solvers, arXiv 2310.19075.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import click
from torch import Tensor

from diptych_heads.benchmarks.accuracy import PROMPTS, distance_of_each, lines_of, painter
from diptych_heads.samplers.adams_moulton_spec import AdamsMoulton
from diptych_heads.samplers.specs import Midpoint


Error = Callable[[Sequence[float]], float]
"""How far a sampler that stops at these times ends from the exact solution."""


def times_of(lengths: Sequence[float]) -> list[float]:
    """Return the times between steps of these lengths, of any sum, on the way from 1 to 0."""
    whole = sum(lengths)
    return [1 - each / whole for each in accumulate(lengths[:-1])]


def search(
    error: Error,
    start: Sequence[float],
    rounds: int,
    tell: Callable[[float, list[float]], None] = lambda *_: None,
    seed: int = 0,
) -> list[float]:
    """Look for times with a smaller error.

    Args:
        error: is asked `rounds + 1` times.
        start: falling times between 1 and 0.
        rounds: moves that are tried.
        tell: called with each smaller error and its times.
        seed: of the moves.

    Returns:
        The best times found.
    """
    own, move = random.Random(seed), 0.15
    edges = [1.0, *start, 0.0]
    lengths = [before - after for before, after in pairwise(edges)]
    best, left, turn = error(times_of(lengths)), rounds, [0.0] * len(lengths)
    tell(best, times_of(lengths))
    forth = True
    while left:
        if forth:  # a new direction, in about half of the lengths; after it, its opposite
            turn = [own.gauss(0, move) if own.random() < 0.5 else 0.0 for _ in lengths]
        tried = [
            each * math.exp(step if forth else -step)
            for each, step in zip(lengths, turn, strict=True)
        ]
        found, left = error(times_of(tried)), left - 1
        if found < best:
            best, lengths, move, forth = found, tried, min(0.3, move * 1.3), True
            tell(best, times_of(lengths))
        elif forth:
            forth = False
        else:
            move, forth = max(0.02, move * 0.93), True
    return times_of(lengths)


@click.command(help=__doc__)
@click.argument("checkpoint")
@click.option("--prompts", "file", type=click.Path(path_type=Path, exists=True), help="One a line.")
@click.option("--seeds", default=1, show_default=True, help="Pictures a prompt.")
@click.option("--step", default=None, help="Which generate step; the last unless given.")
@click.option("--steps", default=10, show_default=True, help="Steps of the sampler.")
@click.option("--rounds", default=150, show_default=True, help="Moves that are tried.")
@click.option("--exact", default=200, show_default=True, help="Midpoint steps of the solution.")
def main(
    checkpoint: str,
    file: Path | None,
    seeds: int,
    step: str | None,
    steps: int,
    rounds: int,
    exact: int,
) -> None:
    """Search, printing every improvement."""
    paint, _, _ = painter(checkpoint, lines_of(file) if file else PROMPTS, seeds, step)
    solution: Tensor = paint(Midpoint(exact))

    def error(times: Sequence[float]) -> float:
        sampler: Any = AdamsMoulton(steps, times=tuple(times))
        return distance_of_each(paint(sampler), solution).mean().item()

    def tell(found: float, times: list[float]) -> None:
        click.echo(f"{found:.4f}  {_shown(times)}")

    start = AdamsMoulton(steps).build().times()[1:-1]
    best = search(error, start, rounds, tell)
    click.echo(f"sampler: {{type: abm, steps: {steps}, times: {_shown(best)}}}")


def _shown(times: Sequence[float]) -> str:
    return "[" + ", ".join(f"{each:.4f}" for each in times) + "]"


if __name__ == "__main__":
    main()
