"""Inputs of ``linear_cross_entropy`` for property tests."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from unittest import mock

import torch
from hypothesis import strategies as st
from torch import Tensor

import diptych_kernels
from kernel_tests.devices import DEVICE
from kernel_tests.layouts import LAYOUTS, laid_out


ROWS = (*range(0, 5), 7)
WIDTHS = (0, 1, 2, 3, 5, 16, 33)
WORDS = (*range(1, 6), 17, 33, 64, 129)
SCALES = (1e-4, 1.0, 30.0)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
IGNORED = -100


@dataclass(frozen=True, repr=False)
class Case:
    """Arguments, the gradient of each row's loss that comes in, and the kernels' block."""

    x: Tensor
    weight: Tensor
    labels: Tensor
    grad: Tensor
    label_smoothing: float = 0.0
    z_loss: float = 0.0
    soft_cap: float | None = None
    chunk: int | None = None
    block: int = 2048

    def __repr__(self) -> str:
        """Shapes, strides and dtypes: the values follow from the seed."""
        parts = [
            f"{name}={value.dtype} {tuple(value.shape)} strides {value.stride()}"
            for name, value in (("x", self.x), ("weight", self.weight), ("labels", self.labels))
        ]
        options = (self.label_smoothing, self.z_loss, self.soft_cap, self.chunk, self.block)
        return f"Case({', '.join(parts)}, {', '.join(map(str, options))})"

    def map(self, change: Callable[[Tensor], Tensor]) -> "Case":
        """Changes every floating tensor."""
        return replace(self, x=change(self.x), weight=change(self.weight), grad=change(self.grad))

    def run(self, implementation: str, reduction: str = "none") -> Tensor:
        """Calls the public function."""
        with self._blocks(implementation):
            return diptych_kernels.linear_cross_entropy(
                self.x,
                self.weight,
                self.labels,
                ignore_index=IGNORED,
                label_smoothing=self.label_smoothing,
                z_loss=self.z_loss,
                soft_cap=self.soft_cap,
                reduction=reduction,
                chunk=self.chunk,
                implementation=implementation,
            )

    def gradients(self, implementation: str) -> tuple[Tensor, ...]:
        """Of x and weight."""
        leaves = [a.detach().requires_grad_() for a in (self.x, self.weight)]
        loss = replace(self, x=leaves[0], weight=leaves[1]).run(implementation)
        with self._blocks(implementation):
            return torch.autograd.grad(loss, leaves, self.grad.to(loss.dtype))

    def _blocks(self, implementation: str) -> AbstractContextManager[object]:
        """Lets the kernels go along a row in smaller steps."""
        if implementation != "triton":
            return nullcontext()
        from diptych_kernels.ops.linear_cross_entropy import fused

        return mock.patch.object(fused, "BLOCK", self.block)


@st.composite
def cases(draw: st.DrawFn, min_size: int = 0) -> Case:
    """Any sizes, layouts, dtypes, scales and options."""
    rows = draw(st.sampled_from(ROWS[min_size:]))
    width = draw(st.sampled_from(WIDTHS[min_size:]))
    words = draw(st.sampled_from(WORDS))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))

    def tensor(length: int) -> Tensor:
        values = torch.randn(length, width, generator=random) * draw(st.sampled_from(SCALES))
        values = values.to(draw(st.sampled_from(DTYPES))).to(DEVICE)
        return laid_out(values, draw(st.sampled_from(LAYOUTS)))

    labels = torch.randint(0, words, (rows,), generator=random)
    ignored = torch.rand(rows, generator=random) < draw(st.sampled_from((0.0, 0.4, 1.0)))
    labels = torch.where(ignored, IGNORED, labels)
    return Case(
        tensor(rows),
        tensor(words),
        labels.to(draw(st.sampled_from((torch.int32, torch.int64)))).to(DEVICE),
        torch.randn(rows, generator=random).to(DEVICE),
        draw(st.sampled_from((0.0, 0.1, 1.0))),
        draw(st.sampled_from((0.0, 1e-3))),
        draw(st.sampled_from((None, 2.0, 30.0))),
        draw(st.sampled_from((None, 1, 7, 64) if words < 6 else (None, 7, 64))),
        draw(st.sampled_from((16, 2048))),
    )
