"""A step of a sampler for the features of a Lumina head, one image and 128."""

from functools import partial

import torch
from torch import Tensor

from byte_cases.case import Case, draw
from diptych_kernels import guided_step
from diptych_kernels.ops.guided_step import triton  # noqa: F401


def _eager(
    rescale: float,
    x: Tensor,
    conditional: Tensor,
    null: Tensor,
    before: Tensor,
    dt: Tensor,
    scale: Tensor,
    ratio: Tensor,
) -> tuple[Tensor, ...]:
    """As the guidance and the Adams-Bashforth sampler of diptych-heads."""
    guided = null + scale * (conditional - null)
    if rescale:
        axes = (1, 2)
        factor = conditional.std(axes, keepdim=True) / guided.std(axes, keepdim=True)
        guided = guided * (rescale * factor + 1 - rescale)
    return x + dt * (guided + ratio / 2 * (guided - before)), guided


def _fused(rescale: float, *inputs: Tensor) -> tuple[Tensor, ...]:
    x, conditional, null, before, *numbers = inputs
    rows = (a.flatten(1) for a in (x, conditional, null, before))
    return torch.ops.diptych_kernels.guided_step(*rows, *numbers, rescale, True)  # type: ignore[no-any-return]


def _call(rescale: float, name: str, *inputs: Tensor) -> tuple[Tensor, ...]:
    x, conditional, null, before, dt, scale, ratio = inputs
    found = guided_step(
        x, conditional, null, dt=dt, scale=scale, rescale=rescale, before=before, ratio=ratio,
        return_velocity=True, implementation=name,
    )  # fmt: skip
    assert isinstance(found, tuple)
    return found


def _moments(x: Tensor, conditional: Tensor, null: Tensor, *rest: Tensor) -> object:
    """To rescale, both predictions are read once more."""
    return conditional.sum(), null.sum()


def _inputs(batch: int) -> list[Tensor]:
    shape = (batch, 64, 1792)
    state = partial(draw, *shape, dtype=torch.float32, learned=False)
    numbers = [torch.ones((), dtype=torch.float32) for _ in range(3)]
    return [state(), *(draw(*shape, learned=False) for _ in range(2)), state(), *numbers]


def cases() -> list[Case]:
    """With and without rescaling."""
    return [
        Case(f"b {batch} n 64 d 1792{', rescaled' if rescale else ''}", partial(_inputs, batch),
             partial(_eager, rescale), partial(_fused, rescale), None,
             _moments if rescale else None, call=partial(_call, rescale))
        for batch in (1, 128) for rescale in (0.0, 0.7)
    ]  # fmt: skip
