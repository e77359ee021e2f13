"""Offsets beyond 2^31 elements, in address space that is never touched."""

from dataclasses import replace

import pytest
import torch
from kernel_tests.devices import INTERPRETED
from kernel_tests.far_apart import far_apart, untouched_memory
from kernel_tests.nearest_code_cases import SearchCase


@pytest.mark.skipif(not INTERPRETED, reason="needs the interpreter, which touches no page twice")
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("argument", ["x", "codebook"])
def test_entries_far_apart(argument: str, axis: int) -> None:
    random = torch.Generator().manual_seed(0)
    near = SearchCase(
        torch.randn(3, 3, generator=random).bfloat16(),
        torch.randn(3, 3, generator=random).bfloat16(),
        "euclidean",
    )
    if axis == 1:  # one row, whose entries are apart
        near = replace(near, **{argument: getattr(near, argument)[:1]})
    far = replace(near, **{argument: far_apart(getattr(near, argument), axis)})
    with untouched_memory():
        for one, other in zip(near.run("triton"), far.run("triton"), strict=True):
            assert torch.equal(one, other)
