"""Offsets beyond 2^31 elements, in address space that is never touched."""

from dataclasses import replace

import pytest
import torch
from kernel_tests.devices import INTERPRETED
from kernel_tests.far_apart import far_apart, untouched_memory
from kernel_tests.guided_step_cases import StepCase


@pytest.mark.skipif(not INTERPRETED, reason="needs the interpreter, which touches no page twice")
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("argument", ["x", "conditional", "null", "before"])
def test_entries_far_apart(argument: str, axis: int) -> None:
    values = torch.randn(4, 3, 3, generator=torch.Generator().manual_seed(0))
    x, conditional, null, before = values[:, : 3 if axis == 0 else 1]
    near = StepCase(x, conditional.bfloat16(), null.bfloat16(), before, 0.5, 3.0, 0.7, rescale=0.7)
    far = replace(near, **{argument: far_apart(getattr(near, argument), axis)})
    with untouched_memory():
        for one, other in zip(near.run("triton"), far.run("triton"), strict=True):
            assert torch.equal(one, other)
