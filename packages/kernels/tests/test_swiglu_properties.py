"""Every implementation against the float64 reference, for whatever hypothesis draws."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kernel_tests.devices import IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import brief, thorough
from kernel_tests.repeating import assert_repeats
from kernel_tests.swiglu_cases import SwigluCase, cases, judge_backward, judge_forward


every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


@every_implementation
@thorough
@given(case=cases())
def test_forward(implementation: str, case: SwigluCase) -> None:
    before = case.map(torch.clone)
    judge_forward(case, *case.run(implementation))
    case.assert_untouched(before)


@needs_triton
@thorough
@given(case=cases())
def test_backward(case: SwigluCase) -> None:
    before = case.map(torch.clone)
    judge_backward(case, case.gradients("triton"))
    case.assert_untouched(before)


@thorough
@given(case=cases(dtypes=(torch.float32,)))
def test_backward_of_the_reference_in_float32(case: SwigluCase) -> None:
    judge_backward(case, case.gradients("reference"))


@every_implementation
@brief
@given(case=cases(min_size=1))
def test_a_gate_far_open_is_the_product_and_far_shut_is_nothing(
    implementation: str, case: SwigluCase
) -> None:
    for size in (100.0, 1000.0):
        wide = SwigluCase(torch.full_like(case.gate, size), case.up, case.grad_out)
        product = (wide.gate.double() * wide.up.double()).to(wide.gate.dtype)
        assert torch.equal(wide.run(implementation)[0], product)
        shut = SwigluCase(-wide.gate, case.up, case.grad_out)
        assert shut.run(implementation)[0].double().abs().max() < 1e-30
        assert all(a.isfinite().all() for a in shut.gradients(implementation).values())


@every_implementation
@brief
@given(case=cases(min_size=1), poison=st.sampled_from([math.nan, math.inf]))
def test_nan_and_infinity_stay_where_they_are(
    implementation: str, poison: float, case: SwigluCase
) -> None:
    case = case.contiguous().map(torch.clone)
    (clean,) = case.run(implementation)
    case.gate[0, 0, 0] = poison
    (dirty,) = case.run(implementation)
    assert torch.equal(clean.flatten()[1:], dirty.flatten()[1:])
    assert dirty[0, 0, 0].isnan() == case.run("reference")[0][0, 0, 0].isnan()


@needs_triton
@brief
@given(case=cases(min_size=1))
def test_repeating_changes_no_bit(case: SwigluCase) -> None:
    assert_repeats(lambda: [*case.run("triton"), *case.gradients("triton").values()])
