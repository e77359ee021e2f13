"""What must hold exactly, whatever the rounding.

Inputs of the reference are contiguous here: torch adds up a row in another order if they are not.
"""

from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import brief
from kernel_tests.gated_residual_norm_cases import NormCase, cases
from kernel_tests.repeating import assert_repeats


every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def _stable(case: NormCase, implementation: str) -> NormCase:
    return case.contiguous() if implementation == "reference" else case


@every_implementation
@brief
@given(case=cases(min_size=1))
def test_a_closed_gate_leaves_the_stream_as_it_is(implementation: str, case: NormCase) -> None:
    closed = torch.zeros(case.x.shape[0], case.x.shape[-1], dtype=case.x.dtype, device=DEVICE)
    h, _ = replace(case, gate=closed).run(implementation)
    assert torch.equal(h, case.x)


@every_implementation
@brief
@given(case=cases(min_size=1), seed=st.integers(0, 99))
def test_rows_do_not_know_their_neighbours(implementation: str, case: NormCase, seed: int) -> None:
    case = _stable(case, implementation)
    order = torch.randperm(case.x.shape[1], generator=torch.Generator().manual_seed(seed))
    order = order.to(DEVICE)
    shuffled = replace(case, x=case.x[:, order], y=case.y[:, order])
    for one, other in zip(case.run(implementation), shuffled.run(implementation), strict=True):
        assert torch.equal(one[:, order], other)


@every_implementation
@brief
@given(case=cases(min_size=1))
def test_a_sample_does_not_know_its_batch(implementation: str, case: NormCase) -> None:
    case = _stable(case, implementation)
    last = case.leaves() | {
        name: value[-1:]
        for name, value in case.leaves().items()
        if name in ("x", "y", "gate", "scale")
    }
    for one, other in zip(
        case.run(implementation), replace(case, **last).run(implementation), strict=True
    ):
        assert torch.equal(one[-1:], other)


@every_implementation
@brief
@given(case=cases(min_size=1, dtypes=(torch.float32,)), power=st.integers(-8, 8))
def test_the_branch_norm_forgets_a_power_of_two(
    implementation: str, case: NormCase, power: int
) -> None:
    assume(case.branch_weight is not None and bool((case.y.abs().amax(-1) > 0).all()))
    case = replace(_stable(case, implementation), eps=0.0)
    scaled = replace(case, y=case.y * 2.0**power)
    assert torch.equal(case.run(implementation)[0], scaled.run(implementation)[0])


@every_implementation
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@brief
@given(case=cases(min_size=1), argument=st.sampled_from(["x", "y"]))
def test_nan_and_infinity_stay_in_their_row(
    implementation: str, poison: float, case: NormCase, argument: str
) -> None:
    case = _stable(case, implementation)
    poisoned = getattr(case, argument).contiguous().clone()
    clean = replace(case, **{argument: poisoned.clone()}).run(implementation)
    poisoned[0, 0, 0] = poison
    dirty = replace(case, **{argument: poisoned})
    for one, other in zip(clean, dirty.run(implementation), strict=True):
        assert torch.equal(one.flatten(0, 1)[1:], other.flatten(0, 1)[1:])
    reference = dirty.run("reference")
    for one, other in zip(dirty.run(implementation), reference, strict=True):
        assert torch.equal(one[0, 0].isfinite(), other[0, 0].isfinite())


@needs_triton
@brief
@given(case=cases(min_size=1))
def test_repeating_changes_no_bit(case: NormCase) -> None:
    assert_repeats(lambda: [*case.run("triton"), *case.gradients("triton").values()])
