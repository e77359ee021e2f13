"""Every implementation against the float64 reference, for whatever hypothesis draws."""

import pytest
import torch
from hypothesis import given
from kernel_tests.devices import IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import thorough
from kernel_tests.gated_residual_norm_cases import NormCase, cases
from kernel_tests.gated_residual_norm_oracle import judge_backward, judge_forward


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@thorough
@given(case=cases(normed=False))
def test_forward(implementation: str, case: NormCase) -> None:
    before = {name: value.clone() for name, value in case.tensors().items()}
    h, z = case.run(implementation)
    judge_forward(case, h, z)
    _assert_untouched(case, before)


@needs_triton
@thorough
@given(case=cases(normed=False))
def test_backward(case: NormCase) -> None:
    before = {name: value.clone() for name, value in case.tensors().items()}
    h, _ = case.run("triton")
    gradients = case.gradients("triton")
    judge_backward(case, h, gradients)
    _assert_untouched(case, before)


@thorough
@given(case=cases(dtypes=(torch.float32,), normed=False))
def test_backward_of_the_reference_in_float32(case: NormCase) -> None:
    h, _ = case.run("reference")
    judge_backward(case, h, case.gradients("reference"))


def _assert_untouched(case: NormCase, before: dict[str, torch.Tensor]) -> None:
    for name, value in case.tensors().items():
        assert torch.equal(value, before[name]), f"{name} was written to"
