"""Every implementation against float64, for whatever hypothesis draws; and what holds exactly."""

from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import brief, thorough
from kernel_tests.guided_step_cases import StepCase, cases
from kernel_tests.guided_step_oracle import judge, well_posed
from kernel_tests.repeating import assert_repeats


every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


@every_implementation
@thorough
@given(case=cases())
def test_step(implementation: str, case: StepCase) -> None:
    assume(well_posed(case))
    before = {name: value.clone() for name, value in case.tensors().items()}
    judge(case, *case.run(implementation))
    for name, value in case.tensors().items():
        assert torch.equal(value, before[name]), f"{name} was written to"


@every_implementation
@brief
@given(case=cases(guided=True))
def test_scale_1_is_the_conditional_prediction_whatever_null_holds(
    implementation: str, case: StepCase
) -> None:
    case = replace(case, scale=1.0, null=torch.full_like(case.conditional, float("nan")))
    _, velocity = case.run(implementation)
    assert torch.equal(velocity, case.conditional.float())


@every_implementation
@brief
@given(case=cases())
def test_a_step_of_no_length_goes_nowhere(implementation: str, case: StepCase) -> None:
    assume(well_posed(case))
    out, _ = replace(case, dt=0.0).run(implementation)
    assert torch.equal(out, case.x)


@every_implementation
@brief
@given(case=cases())
def test_adams_bashforth_at_a_constant_velocity_is_euler(
    implementation: str, case: StepCase
) -> None:
    assume(well_posed(case))
    euler, velocity = replace(case, before=None).run(implementation)
    out, _ = replace(case, before=velocity).run(implementation)
    assert torch.equal(out, euler)


@every_implementation
@brief
@given(case=cases())
def test_numbers_on_the_device_change_no_bit(implementation: str, case: StepCase) -> None:
    names = ("dt", "ratio") if case.null is None else ("dt", "ratio", "scale")
    numbers = {name: float(getattr(case, name)) for name in names}
    tensors = {name: torch.tensor(value, device=DEVICE) for name, value in numbers.items()}
    one, other = replace(case, **numbers), replace(case, **tensors)
    for a, b in zip(one.run(implementation), other.run(implementation), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


@every_implementation
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@brief
@given(case=cases(min_size=1), argument=st.sampled_from(["x", "conditional", "null", "before"]))
def test_nan_and_infinity_stay_in_their_sample(
    implementation: str, poison: float, case: StepCase, argument: str
) -> None:
    assume(getattr(case, argument) is not None)
    case = case.map(torch.Tensor.contiguous)
    poisoned = getattr(case, argument).clone()
    poisoned[0, 0] = poison
    dirty = replace(case, **{argument: poisoned})
    expected = dirty.map(torch.Tensor.double).run("reference")
    for clean, other, exact in zip(
        case.run(implementation), dirty.run(implementation), expected, strict=True
    ):
        assert torch.equal(clean[1:].nan_to_num(), other[1:].nan_to_num())
        assert torch.equal(other[0].isfinite(), exact[0].isfinite())


@every_implementation
def test_a_prediction_without_deviation_is_not_rescaled(implementation: str) -> None:
    ones = torch.ones(2, 1500, device=DEVICE)
    case = StepCase(ones, ones, 0 * ones, None, 0.5, 2.0, 1.0, rescale=1.0)
    out, velocity = case.run(implementation)
    assert torch.equal(velocity, 2 * ones) and torch.equal(out, 2 * ones)


@every_implementation
@pytest.mark.parametrize("most_parts", [1, 2, 128])
def test_rescaling_finds_the_deviation_around_a_large_mean(
    implementation: str, most_parts: int
) -> None:
    """A sum of squares would lose it: 4096^2 in float32 is exact to 1."""
    random = torch.Generator().manual_seed(0)
    ramp = 4096 + torch.linspace(0, 10, 5000)
    conditional, null = ((ramp + torch.randn(2, 5000, generator=random)).to(DEVICE) for _ in "cn")
    case = StepCase(0 * null, conditional, null, None, 1.0, 3.0, 1.0, 1.0, most_parts)
    _, velocity = case.run(implementation)
    expected = conditional.double().std(1) / _guided(case).std(1)
    found = velocity.double().std(1) / _guided(case).std(1)
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=0)


def _guided(case: StepCase) -> torch.Tensor:
    assert case.null is not None
    return case.null.double() + case.scale * (case.conditional.double() - case.null.double())


@needs_triton
@brief
@given(case=cases(min_size=1))
def test_repeating_changes_no_bit(case: StepCase) -> None:
    assert_repeats(lambda: case.run("triton"))
