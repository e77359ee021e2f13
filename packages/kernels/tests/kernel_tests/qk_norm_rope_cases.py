"""Inputs of ``qk_norm_rope`` for property tests."""

from dataclasses import dataclass
from typing import ClassVar
from unittest import mock

import torch
from hypothesis import strategies as st
from torch import Tensor

import diptych_kernels
from kernel_tests.case import Case
from kernel_tests.devices import DEVICE
from kernel_tests.layouts import LAYOUTS, laid_out


WIDTHS = (2, 4, 6, 8, 10, 14, 16, 18, 32, 34, 62, 64, 66, 130)
SCALES = (1e-4, 1.0, 30.0)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, repr=False)
class QkCase(Case):
    """Arguments, incoming gradients, and how many elements a program holds at most."""

    constants: ClassVar[frozenset[str]] = frozenset({"cos", "sin"})

    q: Tensor
    k: Tensor | None
    cos: Tensor
    sin: Tensor
    q_weight: Tensor | None
    k_weight: Tensor | None
    q_bias: Tensor | None
    k_bias: Tensor | None
    norm: str | None
    pairs: str
    eps: float
    grad_q_out: Tensor | None
    grad_k_out: Tensor | None
    most: int = 4096

    def run(self, implementation: str) -> tuple[Tensor, ...]:
        """Calls the public function; a missing k gives an empty tensor."""
        if implementation != "triton":
            return self._call(implementation)
        from diptych_kernels.ops.qk_norm_rope import launch

        with mock.patch.object(launch, "MOST_ELEMENTS", self.most):
            return self._call(implementation)

    def _call(self, implementation: str) -> tuple[Tensor, ...]:
        q, k = diptych_kernels.qk_norm_rope(
            self.q, self.k, self.cos, self.sin,
            q_weight=self.q_weight, k_weight=self.k_weight,
            q_bias=self.q_bias, k_bias=self.k_bias,
            norm=self.norm, pairs=self.pairs, eps=self.eps, implementation=implementation,
        )  # fmt: skip
        return q, q.new_empty(0) if k is None else k


@st.composite
def cases(
    draw: st.DrawFn,
    min_size: int = 0,
    dtypes: tuple[torch.dtype, ...] = DTYPES,
    parted: bool = True,
) -> QkCase:
    """Any head counts, widths, layouts, dtypes, scales, norms and pairings; rarely empty.

    Where ``parted``, several programs may share a token, which takes the interpreter longer.
    """
    batch, tokens = (
        draw(st.sampled_from([n for n in sizes if n >= min_size]))
        for sizes in ((2, 1, 2, 1, 0), (3, 5, 1, 2, 4, 0))
    )
    heads, kv_heads = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    width = draw(st.sampled_from(WIDTHS))
    norm = draw(st.sampled_from(("head", "row", None, "head", "row")))
    of_q, of_k, shared = (draw(st.sampled_from(dtypes)) for _ in range(3))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))

    def tensor(shape: tuple[int, ...], dtype: torch.dtype, scale: float = 1.0) -> Tensor:
        values = (torch.randn(shape, generator=random) * scale).to(dtype).to(DEVICE)
        return laid_out(values, draw(st.sampled_from(LAYOUTS)))

    def states(heads: int, dtype: torch.dtype) -> Tensor:
        scale = draw(st.sampled_from(SCALES))
        if draw(st.booleans()):  # as attention has it: heads before tokens
            return tensor((batch, heads, tokens, width), dtype, scale).transpose(1, 2)
        return tensor((batch, tokens, heads, width), dtype, scale)

    def parameter(heads: int) -> Tensor:
        return tensor((width if norm == "head" else heads * width,), shared)

    def biases() -> tuple[Tensor | None, Tensor | None]:
        if norm != "row" or not draw(st.booleans()):
            return None, None
        return parameter(heads), parameter(kv_heads) if kv_heads else None

    table = (tokens, width // 2) if draw(st.booleans()) else (batch, tokens, width // 2)
    angles = torch.randn(table, generator=random) * 10
    in_dtype = draw(st.sampled_from(dtypes))
    layout = draw(st.sampled_from(LAYOUTS))
    used = draw(st.sampled_from(("both", "q", "k", "both"))) if kv_heads else "q"
    q_bias, k_bias = biases()
    filled = 1 << (width - 1).bit_length()
    return QkCase(
        q=states(heads, of_q),
        k=states(kv_heads, of_k) if kv_heads else None,
        cos=laid_out(angles.cos().to(in_dtype).to(DEVICE), layout),
        sin=laid_out(angles.sin().to(in_dtype).to(DEVICE), layout),
        q_weight=parameter(heads) if norm else None,
        k_weight=parameter(kv_heads) if norm and kv_heads else None,
        q_bias=q_bias,
        k_bias=k_bias,
        norm=norm,
        pairs=draw(st.sampled_from(("halves", "adjacent"))),
        eps=draw(st.sampled_from((1e-6, 1e-5))),
        grad_q_out=tensor((batch, tokens, heads, width), of_q) if used != "k" else None,
        grad_k_out=tensor((batch, tokens, kv_heads, width), of_k) if used != "q" else None,
        most=filled * draw(st.sampled_from((1, 2, 8))) if parted and norm != "row" else 4096,
    )
