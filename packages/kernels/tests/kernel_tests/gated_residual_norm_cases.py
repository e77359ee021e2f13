"""Inputs of ``gated_residual_norm`` for property tests."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from hypothesis import strategies as st
from torch import Tensor

import diptych_kernels
from kernel_tests.devices import DEVICE
from kernel_tests.layouts import LAYOUTS, laid_out


WIDTHS = (*range(0, 13), 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 255, 257)
SCALES = (1e-4, 1.0, 30.0)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, repr=False)
class Case:
    """Arguments, and incoming gradients (None where an output is not used)."""

    x: Tensor
    y: Tensor
    weight: Tensor
    branch_weight: Tensor | None
    gate: Tensor | None
    scale: Tensor | None
    eps: float
    grad_h: Tensor | None
    grad_z: Tensor | None

    def __repr__(self) -> str:
        """Shapes, strides and dtypes: the values follow from the seed."""
        known = self.tensors()
        parts = [
            f"{field.name}={value.dtype} {tuple(value.shape)} strides {value.stride()}"
            if (value := known.get(field.name)) is not None
            else f"{field.name}={getattr(self, field.name)}"
            for field in fields(self)
        ]
        return f"Case({', '.join(parts)})"

    def contiguous(self) -> "Case":
        """The same with every tensor contiguous."""
        return self.map(Tensor.contiguous)

    def tensors(self) -> dict[str, Tensor]:
        """The tensors that are there, by name."""
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in every.items() if isinstance(value, Tensor)}

    def inputs(self) -> dict[str, Tensor]:
        """Those among them that are arguments."""
        return {k: v for k, v in self.tensors().items() if not k.startswith("grad_")}

    def map(self, change: Callable[[Tensor], Tensor]) -> "Case":
        """Changes every tensor."""
        return replace(self, **{name: change(value) for name, value in self.tensors().items()})

    def run(self, implementation: str) -> tuple[Tensor, Tensor]:
        """Calls the public function."""
        return diptych_kernels.gated_residual_norm(
            self.x,
            self.y,
            self.weight,
            branch_weight=self.branch_weight,
            gate=self.gate,
            scale=self.scale,
            eps=self.eps,
            implementation=implementation,
        )

    def gradients(self, implementation: str) -> dict[str, Tensor]:
        """Gradients of the arguments for the incoming gradients, by name."""
        leaves = {name: value.detach().requires_grad_() for name, value in self.inputs().items()}
        outputs = replace(self, **leaves).run(implementation)
        pairs = zip(outputs, (self.grad_h, self.grad_z), strict=True)
        used = [(output, grad) for output, grad in pairs if grad is not None]
        found = torch.autograd.grad(
            [output for output, _ in used],
            list(leaves.values()),
            [grad for _, grad in used],
            allow_unused=True,
        )
        zeros = (torch.zeros_like(leaf) for leaf in leaves.values())
        return {
            name: zero if grad is None else grad
            for name, grad, zero in zip(leaves, found, zeros, strict=True)
        }


@st.composite
def cases(draw: st.DrawFn, min_size: int = 0, dtypes: tuple[torch.dtype, ...] = DTYPES) -> Case:
    """Shapes with 0, 1, odd and prime sizes; any layouts, dtypes, scales and flags."""
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
    used = draw(st.sampled_from(("both", "h", "z", "both")))
    return Case(
        x=tensor(rows, stream, draw(st.sampled_from(SCALES))),
        y=tensor(rows, branch, draw(st.sampled_from(SCALES))),
        weight=tensor((width,), shared, draw(st.sampled_from(SCALES))),
        branch_weight=tensor((width,), shared) if draw(st.booleans()) else None,
        gate=gate() if draw(st.booleans()) else None,
        scale=tensor((batch, width), shared) if draw(st.booleans()) else None,
        eps=draw(st.sampled_from((1e-6, 1e-5))),
        grad_h=tensor(rows, stream) if used != "z" else None,
        grad_z=tensor(rows, branch) if used != "h" else None,
    )
