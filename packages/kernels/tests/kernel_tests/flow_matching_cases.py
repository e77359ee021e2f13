"""Inputs of the flow-matching pair for property tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from hypothesis import strategies as st
from torch import Tensor

import diptych_kernels
from kernel_tests.case import Case
from kernel_tests.devices import DEVICE
from kernel_tests.layouts import LAYOUTS, laid_out


CHANNELS = (*range(0, 6), 15, 16, 17, 33, 64, 129, 700, 2049)
SCALES = (1e-4, 1.0, 30.0)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, repr=False)
class InterpolateCase(Case):
    """Arguments and the incoming gradient of ``flow_interpolate``."""

    constants: ClassVar[frozenset[str]] = frozenset({"t"})

    x: Tensor
    noise: Tensor
    t: Tensor
    grad_out: Tensor

    def run(self, implementation: str) -> tuple[Tensor, ...]:
        """Calls the public function."""
        return (
            diptych_kernels.flow_interpolate(
                self.x, self.noise, self.t, implementation=implementation
            ),
        )


@dataclass(frozen=True, repr=False)
class LossCase(Case):
    """Arguments and the incoming gradient of ``flow_matching_loss``."""

    constants: ClassVar[frozenset[str]] = frozenset({"mask"})

    prediction: Tensor
    x: Tensor
    noise: Tensor
    weight: Tensor | None
    mask: Tensor | None
    grad_loss: Tensor

    def run(self, implementation: str) -> tuple[Tensor, ...]:
        """Calls the public function."""
        return (
            diptych_kernels.flow_matching_loss(
                self.prediction, self.x, self.noise, weight=self.weight, mask=self.mask,
                implementation=implementation,
            ),
        )  # fmt: skip


def _drawing(draw: st.DrawFn, min_size: int) -> tuple[tuple[int, int, int], Callable[..., Tensor]]:
    """A shape, and a function of shape, dtype and scale that makes tensors in any layout."""
    channels = draw(st.sampled_from(CHANNELS[min_size:]))
    shape = draw(st.integers(min_size, 3)), draw(st.integers(min_size, 6)), channels
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    everywhere = draw(st.sampled_from((None, "contiguous")))  # takes the way of long tokens

    def tensor(shape: tuple[int, ...], dtype: torch.dtype, scale: float = 1.0) -> Tensor:
        values = (torch.randn(shape, generator=random) * scale).to(dtype).to(DEVICE)
        return laid_out(values, everywhere or draw(st.sampled_from(LAYOUTS)))

    return shape, tensor


@st.composite
def interpolate_cases(
    draw: st.DrawFn, min_size: int = 0, dtypes: tuple[torch.dtype, ...] = DTYPES
) -> InterpolateCase:
    """Any shapes, layouts, dtypes and scales; times at and between both ends."""
    shape, tensor = _drawing(draw, min_size)
    of_x, of_noise, of_t = (draw(st.sampled_from(dtypes)) for _ in range(3))
    times = draw(st.lists(st.sampled_from((0.0, 1.0, 0.25, 0.7)), min_size=3, max_size=3))
    return InterpolateCase(
        x=tensor(shape, of_x, draw(st.sampled_from(SCALES))),
        noise=tensor(shape, of_noise),
        t=laid_out(torch.tensor(times[: shape[0]]).to(of_t).to(DEVICE),
                   draw(st.sampled_from(LAYOUTS))),
        grad_out=tensor(shape, of_x),
    )  # fmt: skip


@st.composite
def loss_cases(
    draw: st.DrawFn, min_size: int = 0, dtypes: tuple[torch.dtype, ...] = DTYPES
) -> LossCase:
    """Any shapes, layouts, dtypes, scales, weights and masks, also of no token at all."""
    shape, tensor = _drawing(draw, min_size)
    of_prediction, of_x, of_weight = (draw(st.sampled_from(dtypes)) for _ in range(3))
    mask = None
    if draw(st.booleans()):
        real = draw(st.lists(st.booleans(), min_size=18, max_size=18))
        mask = torch.tensor(real[: shape[0] * shape[1]], dtype=torch.bool).view(shape[:2])
        mask = mask.to(DEVICE)
        mask = mask.mT.contiguous().mT if draw(st.booleans()) else mask
    return LossCase(
        prediction=tensor(shape, of_prediction, draw(st.sampled_from(SCALES))),
        x=tensor(shape, of_x, draw(st.sampled_from(SCALES))),
        noise=tensor(shape, of_x),
        weight=tensor(shape[:1], of_weight) if draw(st.booleans()) else None,
        mask=mask,
        grad_loss=tensor(shape[:1], torch.float32),
    )
