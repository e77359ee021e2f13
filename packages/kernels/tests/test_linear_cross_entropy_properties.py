"""Every implementation against the float64 reference, for whatever hypothesis draws."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from kernel_tests.devices import HAS_TRITON, needs_triton
from kernel_tests.effort import brief, thorough
from kernel_tests.linear_cross_entropy_cases import IGNORED, Case, cases
from kernel_tests.linear_cross_entropy_oracle import judge_backward, judge_forward
from kernel_tests.repeating import assert_repeats


TILED = ("chunked", "triton") if HAS_TRITON else ("chunked",)
every_implementation = pytest.mark.parametrize("implementation", [*TILED, "reference"])
tiled = pytest.mark.parametrize("implementation", TILED)


@every_implementation
@thorough
@given(case=cases())
def test_forward(implementation: str, case: Case) -> None:
    before = case.x.clone(), case.weight.clone()
    judge_forward(case, case.run(implementation))
    assert torch.equal(case.x, before[0]) and torch.equal(case.weight, before[1])


@every_implementation
@thorough
@given(case=cases())
def test_backward(implementation: str, case: Case) -> None:
    before = case.x.clone(), case.weight.clone(), case.grad.clone()
    judge_backward(case, case.gradients(implementation))
    for value, clone in zip((case.x, case.weight, case.grad), before, strict=True):
        assert torch.equal(value, clone)


@tiled
@brief
@given(case=cases(min_size=1))
def test_ignored_rows_add_nothing_whatever_they_hold(implementation: str, case: Case) -> None:
    """Not even a rounding: they are dropped before the product."""
    nan = torch.full((2, case.x.shape[1]), float("nan"), dtype=case.x.dtype, device=case.x.device)
    kept = case.labels != IGNORED
    without = replace(case, x=case.x[kept], labels=case.labels[kept], grad=case.grad[kept])
    padded = replace(
        case,
        x=torch.cat([nan, case.x]),
        labels=torch.cat([torch.full_like(case.labels[:1], IGNORED).expand(2), case.labels]),
        grad=torch.cat([case.grad[:1].expand(2), case.grad]),
    )
    assert torch.equal(padded.run(implementation)[2:][kept], without.run(implementation))
    grad_x, grad_weight = padded.gradients(implementation)
    expected_x, expected_weight = without.gradients(implementation)
    assert torch.equal(grad_x[2:][kept], expected_x) and not grad_x[:2].any()
    assert torch.equal(grad_weight, expected_weight)


@every_implementation
@brief
@given(case=cases(min_size=1))
def test_a_shift_of_all_logits_changes_nothing(implementation: str, case: Case) -> None:
    """By 2^4 exactly: one more column, of ones in x and of 16 in the weight of integers."""
    x, weight = case.x.float().round(), case.weight.float().round()
    case = replace(case, x=x, weight=weight, z_loss=0.0, soft_cap=None)
    ones = torch.ones_like(x[:, :1])
    shifted = replace(
        case, x=torch.cat([x, ones], 1), weight=torch.cat([weight, 0 * weight[:, :1] + 16], 1)
    )
    one, other = case.run(implementation), shifted.run(implementation)
    terms = (x.abs() @ weight.abs().mT).amax(1) + 16
    assert ((one - other).abs() <= 2.0**-20 * terms).all()


@every_implementation
def test_a_nan_stays_in_its_row(implementation: str) -> None:
    random = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(n, 4, generator=random) for n in (3, 200))
    for poison in (float("nan"), float("inf")):
        dirty = x.clone()
        dirty[1, 2] = poison
        labels = torch.tensor([0, 150, 199])
        clean = Case(x, weight, labels, torch.ones(3), chunk=64).run(implementation)
        found = Case(dirty, weight, labels, torch.ones(3), chunk=64).run(implementation)
        assert torch.equal(found[[0, 2]], clean[[0, 2]]) and not found[1].isfinite()


@needs_triton
@brief
@given(case=cases(min_size=1))
def test_repeating_changes_no_bit(case: Case) -> None:
    assert_repeats(lambda: [case.run("triton"), *case.gradients("triton")])
