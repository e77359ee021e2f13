"""Inputs of ``nearest_code`` for property tests."""

from dataclasses import dataclass
from unittest import mock

import torch
from hypothesis import strategies as st
from torch import Tensor

import diptych_kernels
from kernel_tests.case import Case
from kernel_tests.devices import DEVICE
from kernel_tests.layouts import LAYOUTS, laid_out


WIDTHS = (*range(0, 8), 15, 16, 17, 33, 64, 65, 100, 129, 130)
ROWS = (*range(0, 6), 17, 64, 65, 131)
CODES = (*range(1, 8), 17, 63, 64, 65, 128, 129, 257, 300)
SCALES = (0.0, 1e-4, 1.0, 30.0)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, repr=False)
class SearchCase(Case):
    """Arguments, and into how many shares the codebook may be cut at most."""

    x: Tensor
    codebook: Tensor
    metric: str
    most_shares: int = 64

    def run(self, implementation: str) -> tuple[Tensor, Tensor]:
        """Calls the public function for indices and distances."""
        if implementation != "triton":
            return self._call(implementation)
        from diptych_kernels.ops.nearest_code import launch

        with mock.patch.object(launch, "_MOST_SHARES", self.most_shares):
            return self._call(implementation)

    def _call(self, implementation: str) -> tuple[Tensor, Tensor]:
        return diptych_kernels.nearest_code(
            self.x,
            self.codebook,
            metric=self.metric,
            return_distances=True,
            implementation=implementation,
        )


@st.composite
def cases(draw: st.DrawFn, min_size: int = 0, integers: bool = False) -> SearchCase:
    """Any sizes, layouts, dtypes and scales; ``integers`` are small, so that scores are exact."""
    rows = draw(st.sampled_from(ROWS[min_size:]))
    width = draw(st.sampled_from(WIDTHS[min_size:]))
    codes = draw(st.sampled_from(CODES))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))

    def tensor(length: int) -> Tensor:
        if integers:
            values = torch.randint(-2, 3, (length, width), generator=random).float()
        else:
            scale = draw(st.sampled_from(SCALES))
            values = torch.randn(length, width, generator=random) * scale
        values = values.to(draw(st.sampled_from(DTYPES))).to(DEVICE)
        return laid_out(values, draw(st.sampled_from(LAYOUTS)))

    metric = "euclidean" if integers else draw(st.sampled_from(("euclidean", "cosine")))
    return SearchCase(tensor(rows), tensor(codes), metric, draw(st.sampled_from((1, 2, 64))))
