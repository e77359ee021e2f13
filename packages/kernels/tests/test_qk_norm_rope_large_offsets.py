"""Offsets beyond 2^31 elements, in address space that is never touched."""

import pytest
import torch
from kernel_tests.qk_norm_rope_cases import QkCase
from kernel_tests.qk_norm_rope_oracle import judge_backward, judge_forward


pytest.importorskip("triton")
from kernel_tests.far_apart import far_apart, untouched_memory


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_far_apart(axis: int) -> None:
    shape = [1, 1, 1, 4]
    shape[axis] = 3 if axis < 3 else 4
    if axis == 3:
        shape[2] = 3
    random = torch.Generator().manual_seed(0)
    with untouched_memory():
        q = far_apart(torch.randn(shape, generator=random).bfloat16(), axis)
        table = torch.randn(2, shape[0], shape[1], 2, generator=random)
        case = QkCase(
            q=q, k=q, cos=table[0], sin=table[1], q_weight=torch.ones(4), k_weight=torch.ones(4),
            q_bias=None, k_bias=None, norm="head", pairs="halves", eps=1e-6,
            grad_q_out=q, grad_k_out=q,
        )  # fmt: skip
        judge_forward(case, case.run("triton"))
        adjacent = QkCase(**(case.__dict__ | {"pairs": "adjacent"}))
        judge_forward(adjacent, adjacent.run("triton"))
        judge_backward(adjacent, adjacent.gradients("triton"))
