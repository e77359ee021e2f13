"""Inputs of ``gated_residual_norm`` for property tests."""

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

import diptych_kernels
from kernel_tests.case import Case
from kernel_tests.devices import DEVICE
from kernel_tests.layouts import LAYOUTS, laid_out


WIDTHS = (*range(0, 13), 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 255, 257)
SCALES = (1e-4, 1.0, 30.0)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, repr=False)
class NormCase(Case):
    """Arguments, and incoming gradients (None where an output is not used)."""

    x: Tensor
    y: Tensor
    weight: Tensor | None
    branch_weight: Tensor | None
    gate: Tensor | None
    scale: Tensor | None
    eps: float
    grad_h: Tensor | None
    grad_z: Tensor | None

    def run(self, implementation: str) -> tuple[Tensor, Tensor]:
        """Calls the public function; without a weight z is an empty tensor."""
        h, z = diptych_kernels.gated_residual_norm(
            self.x,
            self.y,
            self.weight,
            branch_weight=self.branch_weight,
            gate=self.gate,
            scale=self.scale,
            eps=self.eps,
            implementation=implementation,
        )
        return h, h.new_empty(0) if z is None else z


@st.composite
def cases(
    draw: st.DrawFn,
    min_size: int = 0,
    dtypes: tuple[torch.dtype, ...] = DTYPES,
    normed: bool = True,
) -> NormCase:
    """Shapes with 0, 1, odd and prime sizes; any layouts, dtypes, scales and flags.

    Unless ``normed``, the second norm may be left out.
    """
    batch = draw(st.integers(min_size, 3))
    tokens = draw(st.integers(min_size, 6))
    width = draw(st.sampled_from(WIDTHS[min_size:]))
    stream, branch, shared = (draw(st.sampled_from(dtypes)) for _ in range(3))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))

    def tensor(shape: tuple[int, ...], dtype: torch.dtype, scale: float = 1.0) -> Tensor:
        values = (torch.randn(shape, generator=random) * scale).to(dtype).to(DEVICE)
        return laid_out(values, draw(st.sampled_from(LAYOUTS)))

    def gate() -> Tensor:
        zero = draw(st.booleans()) and draw(st.booleans())
        return tensor((batch, width), shared, 0.0 if zero else draw(st.sampled_from((0.3, 3.0))))

    rows = (batch, tokens, width)
    normed = normed or draw(st.sampled_from((True, True, True, False)))
    used = draw(st.sampled_from(("both", "h", "z", "both"))) if normed else "h"
    return NormCase(
        x=tensor(rows, stream, draw(st.sampled_from(SCALES))),
        y=tensor(rows, branch, draw(st.sampled_from(SCALES))),
        weight=tensor((width,), shared, draw(st.sampled_from(SCALES))) if normed else None,
        branch_weight=tensor((width,), shared) if draw(st.booleans()) else None,
        gate=gate() if draw(st.booleans()) else None,
        scale=tensor((batch, width), shared) if normed and draw(st.booleans()) else None,
        eps=draw(st.sampled_from((1e-6, 1e-5))),
        grad_h=tensor(rows, stream) if used != "z" else None,
        grad_z=tensor(rows, branch) if used != "h" else None,
    )
