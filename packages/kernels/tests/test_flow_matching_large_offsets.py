"""Offsets beyond 2^31 elements, in address space that is never touched."""

import pytest
import torch
from kernel_tests.flow_matching_cases import InterpolateCase, LossCase
from kernel_tests.flow_matching_oracle import (
    judge_interpolate,
    judge_interpolate_backward,
    judge_loss,
    judge_loss_backward,
)


pytest.importorskip("triton")
from kernel_tests.far_apart import far_apart, untouched_memory


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_far_apart(axis: int) -> None:
    shape = [1, 3, 3] if axis == 2 else [1, 1, 4]
    shape[axis] = 3
    random = torch.Generator().manual_seed(0)
    with untouched_memory():
        x, noise = (far_apart(torch.randn(shape, generator=random).bfloat16(), axis)
                    for _ in range(2))  # fmt: skip
        way = InterpolateCase(x, noise, torch.full((shape[0],), 0.3), grad_out=noise)
        judge_interpolate(way, *way.run("triton"))
        judge_interpolate_backward(way, way.gradients("triton"))
        loss = LossCase(noise, x, x, None, None, grad_loss=torch.ones(shape[0]))
        judge_loss(loss, *loss.run("triton"))
        judge_loss_backward(loss, loss.gradients("triton"))
