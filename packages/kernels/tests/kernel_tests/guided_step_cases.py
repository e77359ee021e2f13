"""Inputs of ``guided_step`` for property tests."""

from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from hypothesis import strategies as st
from torch import Tensor

import diptych_kernels
from kernel_tests.case import Case
from kernel_tests.devices import DEVICE
from kernel_tests.layouts import LAYOUTS, laid_out


SIZES = (*range(0, 6), 17, 33, 129, 1023, 1024, 1025, 2049, 3001)
SCALES = (1e-4, 1.0, 30.0)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, repr=False)
class StepCase(Case):
    """Arguments, and into how many parts a sample may be cut at most for its moments."""

    x: Tensor
    conditional: Tensor
    null: Tensor | None
    before: Tensor | None
    dt: Any
    scale: Any
    ratio: Any
    rescale: float
    most_parts: int = 128

    def run(self, implementation: str) -> tuple[Tensor, Tensor]:
        """Calls the public function for the new state and the velocity."""
        if implementation != "triton":
            return self._call(implementation)
        from diptych_kernels.ops.guided_step import launch

        with mock.patch.object(launch, "_MOST_PARTS", self.most_parts):
            return self._call(implementation)

    def _call(self, implementation: str) -> tuple[Tensor, Tensor]:
        return diptych_kernels.guided_step(
            self.x,
            self.conditional,
            self.null,
            dt=self.dt,
            scale=self.scale,
            rescale=self.rescale,
            before=self.before,
            ratio=self.ratio,
            return_velocity=True,
            implementation=implementation,
        )


@st.composite
def cases(draw: st.DrawFn, min_size: int = 0, guided: bool | None = None) -> StepCase:
    """Any sizes, layouts, dtypes, scales and options; numbers as such or on the device."""
    batch = draw(st.integers(min_size, 3))
    size = draw(st.sampled_from(SIZES[min_size:]))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))

    def tensor(dtype: torch.dtype) -> Tensor:
        values = torch.randn(batch, size, generator=random) * draw(st.sampled_from(SCALES))
        return laid_out(values.to(dtype).to(DEVICE), draw(st.sampled_from(LAYOUTS)))

    def number(value: float) -> Any:
        on_device = draw(st.booleans())
        return torch.tensor([value], device=DEVICE) if on_device else value

    guided = draw(st.booleans()) or draw(st.booleans()) if guided is None else guided
    predicted = draw(st.sampled_from(DTYPES))
    return StepCase(
        x=tensor(torch.float32),
        conditional=tensor(predicted),
        null=tensor(predicted) if guided else None,
        before=tensor(draw(st.sampled_from(DTYPES))) if draw(st.booleans()) else None,
        dt=number(draw(st.sampled_from((-1 / 30, 0.5)))),
        scale=number(draw(st.sampled_from((0.0, 1.0, 3.0, 7.5)))) if guided else 1.0,
        ratio=number(draw(st.sampled_from((1.0, 0.7)))),
        rescale=draw(st.sampled_from((0.0, 0.7, 1.0))) if guided else 0.0,
        most_parts=draw(st.sampled_from((1, 2, 128))),
    )
