"""Every implementation against the float64 reference, for whatever hypothesis draws."""

import pytest
import torch
from hypothesis import given
from kernel_tests.devices import IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import thorough
from kernel_tests.flow_matching_cases import (
    InterpolateCase,
    LossCase,
    interpolate_cases,
    loss_cases,
)
from kernel_tests.flow_matching_oracle import (
    judge_interpolate,
    judge_interpolate_backward,
    judge_loss,
    judge_loss_backward,
)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@thorough
@given(case=interpolate_cases())
def test_interpolate(implementation: str, case: InterpolateCase) -> None:
    before = case.map(torch.clone)
    judge_interpolate(case, *case.run(implementation))
    case.assert_untouched(before)


@needs_triton
@thorough
@given(case=interpolate_cases())
def test_interpolate_backward(case: InterpolateCase) -> None:
    before = case.map(torch.clone)
    judge_interpolate_backward(case, case.gradients("triton"))
    case.assert_untouched(before)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@thorough
@given(case=loss_cases())
def test_loss(implementation: str, case: LossCase) -> None:
    before = case.map(torch.clone)
    judge_loss(case, *case.run(implementation))
    case.assert_untouched(before)


@needs_triton
@thorough
@given(case=loss_cases())
def test_loss_backward(case: LossCase) -> None:
    before = case.map(torch.clone)
    judge_loss_backward(case, case.gradients("triton"))
    case.assert_untouched(before)


@thorough
@given(case=loss_cases(dtypes=(torch.float32,)))
def test_loss_backward_of_the_reference_in_float32(case: LossCase) -> None:
    judge_loss_backward(case, case.gradients("reference"))
