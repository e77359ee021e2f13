"""Times sampling against the plain loop over diffusers' Lumina-Next, in one run, same weights.

    python -m diptych_heads.benchmarks.sampling [--compile] [--sampler abm --evaluations 10]

Width 512, depth 8, 64 tokens of target and of condition, batch 4, float32, 30 steps, guidance 3.
Both sides take turns, each in its own CPU time, so that other load on the machine hits both; the
ratio is that of the medians. Needs diffusers; `--compile` needs a C++ compiler.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import click
import torch
from torch import Tensor

from diptych.seeds import generators, noise
from diptych_heads.benchmarks.plain_loop import plain_loop, plain_model
from diptych_heads.guidance.specs import ClassifierFree
from diptych_heads.heads.specs import FlowMatching
from diptych_heads.networks.specs import LuminaNext
from diptych_heads.samplers.adams_moulton_spec import AdamsMoulton
from diptych_heads.samplers.specs import AdamsBashforth2, DpmSolver2M, Euler


SAMPLERS = {"euler": Euler, "ab2": AdamsBashforth2, "abm": AdamsMoulton, "dpm++2m": DpmSolver2M}
"""Those with one evaluation a step."""


def randomise(module: torch.nn.Module) -> None:
    """Give every parameter a random value, so that nothing is hidden behind a zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for each in module.parameters():
            scale = 0.3 if each.ndim < 2 else 0.5 * each.shape[-1] ** -0.5
            each.add_(scale * torch.randn(each.shape, generator=generator))


def sides(
    *,
    width: int,
    depth: int,
    batch: int,
    side: int,
    queries: int,
    steps: int,
    compiled: bool = False,
    sampler: str = "euler",
    evaluations: int | None = None,
) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """Prepare both ways of sampling: -> the plain loop and ours, each () -> tokens `b n c`."""
    grid: Any = {"channels": width, "height": side, "width": side}
    spec = LuminaNext(
        hidden_width=width, layers=depth, heads=width // 64, condition_width=width, **grid
    )
    head: Any = FlowMatching(network=spec, **grid).build()
    randomise(head)
    network = head.network
    model: Any = plain_model(spec, network)
    generator = torch.Generator().manual_seed(1)
    condition = torch.randn(batch, queries, width, generator=generator)
    built: Any = SAMPLERS[sampler](evaluations or steps).build()
    guidance = ClassifierFree(3.0).build()
    if compiled:
        model = torch.compile(model, dynamic=False)
        network.forward = torch.compile(network.forward, dynamic=False)

    @torch.no_grad()
    def plain() -> Tensor:
        caption = network.caption_projection(condition)
        null = network.caption_projection(torch.zeros_like(condition))
        first = noise((side * side, width), generators(range(batch)), like=condition)
        image = first.transpose(1, 2).reshape(batch, width, side, side)
        return plain_loop(model, caption, null, image, steps, 3.0).flatten(2).transpose(1, 2)

    def ours() -> Tensor:
        return head.sample(condition, None, generators(range(batch)), built, guidance)

    return plain, ours


def measure(first: Callable[[], Tensor], second: Callable[[], Tensor], rounds: int) -> list[float]:
    """Time both by turns: -> medians of the CPU seconds of each."""
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for taken, run in zip(times, (first, second), strict=True):
            start = time.process_time()
            run()
            taken.append(time.process_time() - start)
    return [statistics.median(each) for each in times]


@click.command(help=__doc__)
@click.option("--width", default=512, show_default=True, help="Width of the blocks.")
@click.option("--depth", default=8, show_default=True, help="Number of blocks.")
@click.option("--batch", default=4, show_default=True, help="Samples a call.")
@click.option("--side", default=8, show_default=True, help="Rows and columns of the target.")
@click.option("--queries", default=64, show_default=True, help="Tokens of the condition.")
@click.option("--steps", default=30, show_default=True, help="Euler steps of the plain loop.")
@click.option("--sampler", type=click.Choice(list(SAMPLERS)), default="euler", help="Ours.")
@click.option("--evaluations", type=int, default=None, help="Ours; the same unless given.")
@click.option("--rounds", default=5, show_default=True, help="Turns of each side.")
@click.option("--threads", default=1, show_default=True, help="Threads of torch.")
@click.option("--compile", "compiled", is_flag=True, help="torch.compile against torch.compile.")
def main(rounds: int, threads: int, **sizes: Any) -> None:
    """Print both times, their ratio and the largest difference of what was sampled."""
    torch.set_num_threads(threads)
    plain, ours = sides(**sizes)
    off = (plain() - ours()).abs().max().item()
    before, after = measure(plain, ours, rounds)
    click.echo(f"plain loop over diffusers  {before:8.3f} s of CPU")
    click.echo(f"diptych                    {after:8.3f} s of CPU")
    click.echo(f"ratio                      {before / after:8.3f}")
    if sizes["sampler"] == "euler" and sizes["evaluations"] in (None, sizes["steps"]):
        click.echo(f"largest difference         {off:8.1e}")


if __name__ == "__main__":
    main()
