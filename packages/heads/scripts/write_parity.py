"""Measures each part against its source and writes docs/parity-heads.md.

    python packages/heads/scripts/write_parity.py

Needs diffusers. The recordings and small sizes are those of the tests, which hold each row to its
bound; this prints how far inside it is. Rows that tests note themselves (fixture `parity`) are
collected by running those tests.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor


HERE = Path(__file__).resolve()
PAGE = HERE.parents[3] / "docs" / "parity-heads.md"
sys.path.insert(0, str(HERE.parents[1] / "tests"))
TOP = """# Parity of the heads

Made by `python packages/heads/scripts/write_parity.py`; do not edit. Errors are the largest
absolute differences on one CPU thread; the tests of `packages/heads` hold each to its bound.

| part | source | what is compared | largest error | bound |
|---|---|---|---|---|
"""
Row = tuple[str, str, str, float, float]


def off(mine: Tensor, other: Tensor) -> float:
    """Return the largest absolute difference."""
    return (mine.double() - other.double()).abs().max().item()


def lumina_next() -> Iterator[Row]:
    """The denoiser against recordings of BLIP3-o's, in float32 and float64."""
    from head_cases.recordings import network_of, recorded

    frequencies = recorded("recorded_frequencies")["frequencies"]
    for kind, bound in (("float32", 2e-5), ("float64", 1e-5)):
        errors, exact = [], []
        for letter in "abc":
            data, network = recorded(f"dit_{letter}"), network_of(f"dit_{letter}")
            network = network.double() if kind == "float64" else network
            for case in ("b2_float_t", "b2_rect", "b3_mixed"):
                like = next(network.parameters())
                x, condition = (data[f"{case}.{name}"].to(like) for name in ("x", "z_latents"))
                t = data[f"{case}.timestep"].double() / 1000
                context = network.prepare(condition)
                wanted = data[f"{case}.out" if kind == "float32" else f"{case}.out_pure_f64"]
                errors.append(off(network(x, t, context), wanted))
                if kind == "float64":
                    theirs = context._replace(frequencies=frequencies)
                    exact.append(off(network(x, t, theirs), wanted))
        source = "recordings of BLIP3-o's NextDiTCrossAttn"
        yield "network `lumina-next`", source, f"outputs, {kind}", max(errors), bound
        if exact:
            what = "outputs, float64, with the recording machine's time frequencies"
            yield "network `lumina-next`", source, what, max(exact), 1e-5


def plain_loop() -> Iterator[Row]:
    """Thirty guided steps against the loop over diffusers' model."""
    from diptych_heads.benchmarks.sampling import sides

    plain, ours = sides(width=64, depth=3, batch=2, side=4, queries=6, steps=30)
    what = "30 Euler steps, guidance 3, float32"
    yield "head `flow-matching`", "diffusers LuminaNextDiT2DModel", what, off(ours(), plain()), 1e-4


def samplers() -> Iterator[Row]:
    """The samplers against those of diffusers, along their own times."""
    from diffusers import (
        DDIMScheduler,
        DPMSolverMultistepScheduler,
        FlowMatchEulerDiscreteScheduler,
    )
    from head_cases.small import normal

    from diptych_heads.mixing import Mixing
    from diptych_heads.noise_schedules.specs import Linear, ScaledLinear
    from diptych_heads.predictions import to_velocity
    from diptych_heads.samplers.flow import Flow
    from diptych_heads.samplers.specs import Ddim, DpmSolver2M, Euler

    first = normal(2, 3, 4).double()
    other: Any = FlowMatchEulerDiscreteScheduler()
    other.set_timesteps(sigmas=torch.linspace(1, 1 / 30, 30).tolist())
    theirs = first.float()
    for t in other.timesteps:
        theirs = other.step(theirs * (1 + t / 1000), t, theirs).prev_sample
    mine = Euler(30).build().sample(lambda x, t: x * (1 + t), first.float())
    yield (
        "sampler `euler`",
        "diffusers FlowMatchEuler",
        "30 steps, float32",
        off(mine, theirs),
        2e-6,
    )

    other = DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
    other.set_timesteps(20)
    step = DpmSolver2M().build().stepper(Flow(lambda x, t: x * (1 + t), Linear().build()))
    mine = theirs = first
    sigmas = other.sigmas.double().tolist()
    for index, t in enumerate(other.timesteps):
        mine = step(mine, sigmas[index], sigmas[index + 1])
        theirs = other.step(theirs * (1 + sigmas[index]), t, theirs).prev_sample
    yield "sampler `dpm++2m`", "diffusers DPMSolverMultistep", "20 steps", off(mine, theirs), 1e-5

    schedule, z = ScaledLinear(zero_terminal=False).build(), normal(2, 3, 4, seed=3).double()

    def velocity(x: Tensor, t: float) -> Tensor:
        mixing = Mixing.at(schedule, x.new_full((1,), t), dims=x.ndim)
        return to_velocity("noise", torch.tanh(x), x, mixing)

    for eta in (0.0, 1.0):
        other = DDIMScheduler(
            beta_start=8.5e-4, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
        )
        other.set_timesteps(10)
        step = Ddim(eta=eta).build().stepper(Flow(velocity, schedule, lambda: z))
        mine = theirs = first
        for t in other.timesteps.tolist():
            mine = step(mine, (t + 1) / 1000, max(t - 99, 0) / 1000)
            theirs = other.step(
                torch.tanh(theirs), t, theirs, eta=eta, variance_noise=z
            ).prev_sample
        yield "sampler `ddim`", "diffusers DDIM", f"10 steps, eta {eta}", off(mine, theirs), 1e-4


def schedules() -> Iterator[Row]:
    """The tables of betas."""
    from diffusers import DDIMScheduler

    from diptych_heads.noise_schedules.specs import DdpmLinear, ScaledLinear

    t = torch.arange(1, 1001, dtype=torch.float64) / 1000
    for name, kind, spec in (
        ("ddpm-linear", "linear", DdpmLinear(zero_terminal=False)),
        ("scaled-linear", "scaled_linear", ScaledLinear(zero_terminal=False)),
    ):
        other: Any = DDIMScheduler(
            beta_start=spec.beta_start, beta_end=spec.beta_end, beta_schedule=kind
        )
        error = off(spec.build().alpha(t) ** 2, other.alphas_cumprod)
        yield f"noise schedule `{name}`", "diffusers DDIM", "alpha^2 at 1,000 steps", error, 1e-5


def guidance() -> Iterator[Row]:
    """Adaptive projected guidance with momentum."""
    from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance
    from head_cases.small import normal

    from diptych_heads.guidance.specs import Projected

    own, buffer, errors = (
        Projected(scale=4.0, limit=0.3, momentum=-0.5).build().for_one_call(),
        MomentumBuffer(-0.5),
        [],
    )
    for step in range(4):
        both, null = normal(1, 4, 5, seed=step), normal(1, 4, 5, seed=9 + step)
        theirs = normalized_guidance(
            both, null, 3.0, buffer, 0.0, 0.3 * 20**0.5, use_original_formulation=True
        )
        errors.append(off(own.combine(both, null, 0.5), theirs))
    yield "guidance `apg`", "diffusers normalized_guidance", "4 steps, float32", max(errors), 1e-5


class Notes:
    """Keeps what tests note through the fixture `parity`, the largest error of each row."""

    def __init__(self) -> None:
        """Start empty."""
        self.rows: dict[tuple[str, str, str], tuple[float, float]] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Keep the tests that note something."""
        items[:] = [item for item in items if "parity" in getattr(item, "fixturenames", ())]

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Take in the notes of one finished test."""
        for name, note in report.user_properties if report.when == "call" else ():
            if name == "parity":
                *row, error, bound = note
                worst = self.rows.get(tuple(row), (0.0, bound))
                self.rows[tuple(row)] = max(error, worst[0]), bound


def noted() -> Iterator[Row]:
    """What tests note: networks, decoders and the autoregressive head."""
    notes, tests = Notes(), HERE.parents[1] / "tests"
    files = [str(each) for each in sorted(tests.glob("test_*.py")) if "parity(" in each.read_text()]
    failed = pytest.main(["-q", "-p", "no:cacheprovider", *files], plugins=[notes])
    if failed or not notes.rows:
        raise SystemExit(f"tests that measure parity failed ({int(failed)}); nothing is written")
    for row, (error, bound) in sorted(notes.rows.items()):
        yield (*row, error, bound)


PARTS: tuple[Callable[[], Iterator[Row]], ...] = (
    lumina_next,
    plain_loop,
    samplers,
    schedules,
    guidance,
)


def main() -> int:
    """Write the page: -> 1 if something is out of its bound."""
    torch.set_num_threads(1)
    with torch.no_grad():
        rows = [row for part in PARTS for row in part()]
    rows += noted()
    lines = [f"| {' | '.join(row[:3])} | {row[3]:.1e} | {row[4]:.0e} |\n" for row in rows]
    PAGE.write_text(TOP + "".join(lines), encoding="utf-8")
    print("".join(lines) + f"wrote {PAGE.relative_to(PAGE.parents[1])}")
    return int(any(row[3] > row[4] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
