"""Offsets beyond 2^31 elements, in address space that is never touched."""

import pytest
import torch
from kernel_tests.swiglu_cases import SwigluCase, judge_backward, judge_forward


pytest.importorskip("triton")
from kernel_tests.far_apart import far_apart, untouched_memory


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_far_apart(axis: int) -> None:
    shape = [1, 3, 3] if axis == 2 else [1, 1, 4]
    shape[axis] = 3
    random = torch.Generator().manual_seed(0)
    with untouched_memory():
        gate, up = (far_apart(torch.randn(shape, generator=random).bfloat16(), axis)
                    for _ in range(2))  # fmt: skip
        case = SwigluCase(gate, up, grad_out=up)
        judge_forward(case, *case.run("triton"))
        judge_backward(case, case.gradients("triton"))
