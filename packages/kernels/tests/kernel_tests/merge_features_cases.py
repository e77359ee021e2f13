"""Inputs of ``merge_features`` for property tests, and what must come of them, token by token."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

import diptych_kernels
from diptych_kernels.ops.merge_features.operation import OPERATION
from kernel_tests.devices import DEVICE
from kernel_tests.layouts import LAYOUTS, laid_out


WIDTHS = (0, 1, 2, 3, 7, 16, 33, 129, 1023, 1025)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, repr=False)
class Case:
    """Arguments, and the gradient that comes in. ``wild`` spans are those that nothing checked."""

    embeds: Tensor
    features: Tensor
    spans: list[tuple[int, int, int]]
    grad: Tensor
    wild: bool

    def __repr__(self) -> str:
        """Shapes, strides and dtypes: the values follow from the seed."""
        parts = [
            f"{name}={value.dtype} {tuple(value.shape)} strides {value.stride()}"
            for name, value in (("embeds", self.embeds), ("features", self.features))
        ]
        return f"Case({', '.join(parts)}, spans={self.spans}, wild={self.wild})"

    def run(self, implementation: str) -> Tensor:
        """Calls the public function, or for wild spans the implementation itself."""
        if not self.wild:
            return diptych_kernels.merge_features(
                self.embeds, self.features, self.spans, implementation=implementation
            )
        load = next(i.load for i in OPERATION.implementations if i.name == implementation)
        spans = torch.tensor(self.spans, dtype=torch.int32).reshape(-1, 3).to(DEVICE)
        merged = load()(self.embeds, self.features, spans)
        assert isinstance(merged, Tensor)
        return merged

    def gradients(self, implementation: str) -> tuple[Tensor, ...]:
        """Of embeds and features."""
        leaves = [a.detach().requires_grad_() for a in (self.embeds, self.features)]
        out = Case(*leaves, self.spans, self.grad, self.wild).run(implementation)
        return torch.autograd.grad(out, leaves, self.grad)

    def places(self) -> Iterator[tuple[int, int, int]]:
        """Token, row and position, in the order in which they are put there."""
        token = 0
        for row, start, length in self.spans:
            for position in range(start, start + length):
                inside = 0 <= row < len(self.embeds) and 0 <= position < self.embeds.shape[1]
                if inside and token < len(self.features):
                    yield token, row, position
                token += 1

    def expected(self) -> Tensor:
        """The output."""
        out = self.embeds.clone()
        for token, row, position in self.places():
            out[row, position] = self.features[token].to(out.dtype)
        return out

    def expected_gradients(self) -> tuple[Tensor, Tensor]:
        """Of embeds and features."""
        embeds, features = self.grad.clone(), torch.zeros_like(self.features)
        owner = {(row, position): token for token, row, position in self.places()}
        for (row, position), token in owner.items():
            features[token] = self.grad[row, position].to(features.dtype)
            embeds[row, position] = 0
        return embeds, features


@st.composite
def cases(draw: st.DrawFn, wild: bool | None = None) -> Case:
    """Any sizes, layouts and dtypes; spans apart from each other, or wild."""
    wild = draw(st.booleans()) if wild is None else wild
    batch, length = draw(st.integers(0, 3)), draw(st.integers(0, 9))
    width = draw(st.sampled_from(WIDTHS))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    if wild:
        any_span = st.tuples(st.integers(-1, batch), st.integers(-2, length), st.integers(-1, 5))
        spans = draw(st.lists(any_span, min_size=2, max_size=6))
        tokens = draw(st.integers(0, 9))
    else:
        spans = []
        for row in range(batch):
            cuts = sorted(draw(st.lists(st.integers(0, length), max_size=4)))
            spans += [(row, a, b - a) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
        spans = draw(st.permutations(spans))
        tokens = sum(count for _, _, count in spans)

    def tensor(*shape: int, dtype: torch.dtype) -> Tensor:
        values = torch.randn(*shape, generator=random).to(dtype).to(DEVICE)
        return laid_out(values, draw(st.sampled_from(LAYOUTS)))

    dtype = draw(st.sampled_from(DTYPES))
    return Case(
        tensor(batch, length, width, dtype=dtype),
        tensor(tokens, width, dtype=draw(st.sampled_from(DTYPES))),
        list(spans),
        tensor(batch, length, width, dtype=dtype),
        wild,
    )
