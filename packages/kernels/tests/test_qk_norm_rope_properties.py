"""Every implementation against the float64 reference, for whatever hypothesis draws."""

import pytest
import torch
from hypothesis import given
from kernel_tests.devices import IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import thorough
from kernel_tests.qk_norm_rope_cases import QkCase, cases
from kernel_tests.qk_norm_rope_oracle import judge_backward, judge_forward


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@thorough
@given(case=cases())
def test_forward(implementation: str, case: QkCase) -> None:
    before = case.map(torch.clone)
    judge_forward(case, case.run(implementation))
    case.assert_untouched(before)


@needs_triton
@thorough
@given(case=cases())
def test_backward(case: QkCase) -> None:
    before = case.map(torch.clone)
    judge_backward(case, case.gradients("triton"))
    case.assert_untouched(before)


@thorough
@given(case=cases(dtypes=(torch.float32,)))
def test_backward_of_the_reference_in_float32(case: QkCase) -> None:
    judge_backward(case, case.gradients("reference"))
