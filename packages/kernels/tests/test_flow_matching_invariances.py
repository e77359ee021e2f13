"""What must hold exactly, whatever the numbers."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import brief
from kernel_tests.flow_matching_cases import (
    InterpolateCase,
    LossCase,
    interpolate_cases,
    loss_cases,
)
from kernel_tests.repeating import assert_repeats


every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


@every_implementation
@brief
@given(case=interpolate_cases(min_size=1))
def test_the_ends_of_the_way_are_data_and_noise(implementation: str, case: InterpolateCase) -> None:
    for time, end in ((0.0, case.x), (1.0, case.noise)):
        (out,) = replace(case, t=torch.full_like(case.t, time)).run(implementation)
        assert torch.equal(out, end.to(out.dtype))


@every_implementation
@brief
@given(case=loss_cases(min_size=1, dtypes=(torch.float32,)))
def test_the_right_velocity_has_no_loss_and_no_gradient(
    implementation: str, case: LossCase
) -> None:
    right = replace(case, prediction=case.noise - case.x)
    assert not right.run(implementation)[0].any()
    assert not right.gradients(implementation)["prediction"].any()


@every_implementation
@brief
@given(case=loss_cases(min_size=1))
def test_what_masked_tokens_hold_does_not_matter(implementation: str, case: LossCase) -> None:
    mask = torch.zeros(case.x.shape[:2], dtype=torch.bool, device=DEVICE)
    mask[:, ::2] = True
    case = replace(case, mask=mask)
    hole = mask.logical_not()[..., None]
    other = replace(case, prediction=case.prediction.masked_fill(hole, math.nan).contiguous(),
                    x=case.x.masked_fill(hole, math.inf), noise=case.noise)  # fmt: skip
    near = replace(case, prediction=case.prediction.contiguous(), x=case.x.contiguous())
    assert torch.equal(near.run(implementation)[0], other.run(implementation)[0])
    one, two = near.gradients(implementation), other.gradients(implementation)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not two["prediction"][hole.expand_as(case.x)].any()


@every_implementation
@brief
@given(case=loss_cases(min_size=1))
def test_a_sample_does_not_know_its_batch(implementation: str, case: LossCase) -> None:
    case = case.contiguous()
    last = replace(case, **{name: value[-1:] for name, value in case.tensors().items()})
    assert torch.equal(case.run(implementation)[0][-1:], last.run(implementation)[0])
    every, alone = case.gradients(implementation), last.gradients(implementation)
    assert all(torch.equal(every[name][-1:], alone[name]) for name in every)


@every_implementation
@brief
@given(case=loss_cases(min_size=1), poison=st.sampled_from([math.nan, math.inf]))
def test_nan_and_infinity_stay_in_their_sample(
    implementation: str, poison: float, case: LossCase
) -> None:
    case = replace(case, mask=None, prediction=case.prediction.contiguous().clone())
    (clean,) = case.run(implementation)
    case.prediction[0, 0, 0] = poison
    (dirty,) = case.run(implementation)
    assert torch.equal(clean[1:], dirty[1:])
    (reference,) = case.run("reference")
    assert torch.equal(dirty.isnan(), reference.isnan())


@needs_triton
@brief
@given(loss=loss_cases(min_size=1), way=interpolate_cases(min_size=1))
def test_repeating_changes_no_bit(loss: LossCase, way: InterpolateCase) -> None:
    assert_repeats(
        lambda: [
            each
            for case in (loss, way)
            for each in (*case.run("triton"), *case.gradients("triton").values())
        ]
    )
