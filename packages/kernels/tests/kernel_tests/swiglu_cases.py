"""Inputs of ``swiglu`` for property tests, and how they are judged."""

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

import diptych_kernels
from kernel_tests.case import Case
from kernel_tests.devices import DEVICE
from kernel_tests.layouts import LAYOUTS, laid_out
from kernel_tests.tolerance import assert_close


WIDTHS = (*range(0, 6), 15, 16, 17, 33, 64, 129, 700, 2049)
SCALES = (1e-4, 1.0, 30.0)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_FLUSHED = 89 / torch.finfo(torch.float32).max


@dataclass(frozen=True, repr=False)
class SwigluCase(Case):
    """Arguments and the incoming gradient."""

    gate: Tensor
    up: Tensor
    grad_out: Tensor

    def run(self, implementation: str) -> tuple[Tensor, ...]:
        """Calls the public function."""
        return (diptych_kernels.swiglu(self.gate, self.up, implementation=implementation),)


@st.composite
def cases(
    draw: st.DrawFn, min_size: int = 0, dtypes: tuple[torch.dtype, ...] = DTYPES
) -> SwigluCase:
    """Any shapes, layouts, dtypes and scales; halves of one projection; gates wide open or shut."""
    width = draw(st.sampled_from(WIDTHS[min_size:]))
    rows = draw(st.integers(min_size, 3)), draw(st.integers(min_size, 6))
    of_gate, of_up = (draw(st.sampled_from(dtypes)) for _ in range(2))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    contiguous = draw(st.booleans())  # takes the way of long tokens

    def tensor(width: int, dtype: torch.dtype) -> Tensor:
        scale = draw(st.sampled_from(SCALES))
        values = (torch.randn(*rows, width, generator=random) * scale).to(dtype).to(DEVICE)
        return laid_out(values, "contiguous" if contiguous else draw(st.sampled_from(LAYOUTS)))

    if draw(st.booleans()):
        gate, up = tensor(2 * width, of_gate).chunk(2, -1)
    else:
        gate, up = tensor(width, of_gate), tensor(width, of_up)
    return SwigluCase(gate, up, grad_out=tensor(width, of_gate))


def judge_forward(case: SwigluCase, out: Tensor) -> None:
    """Checks the product.

    exp(-gate) is as wrong as its argument's last place is large, and infinite for gates below
    about -89, where silu(gate) is then 0.
    """
    assert out.dtype == case.gate.dtype
    exact = case.doubled()
    (expected,) = exact.run("reference")
    magnitude = expected.abs() * (1 + exact.gate.abs())
    assert_close("out", out, expected, magnitude, 1, _FLUSHED * (1 + exact.up.abs()))


def judge_backward(case: SwigluCase, gradients: dict[str, Tensor]) -> None:
    """Checks both gradients."""
    exact = case.doubled()
    expected = exact.gradients("reference")
    grad, gate, up = exact.grad_out.abs(), exact.gate, exact.up.abs()
    open_, steep = gate.sigmoid(), 1 + gate.abs()
    magnitudes = {
        "gate": grad * up * open_ * (1 + gate.abs() * (-gate).sigmoid()) * steep,
        "up": grad * gate.abs() * open_ * steep,
    }
    flushed = _FLUSHED * (1 + grad) * (1 + up) * steep
    for name, gradient in gradients.items():
        assert gradient.dtype == getattr(case, name).dtype
        assert_close(f"grad_{name}", gradient, expected[name], magnitudes[name], 1, flushed)
