"""Every implementation against a loop over tokens, bit for bit, for whatever hypothesis draws."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import brief, thorough
from kernel_tests.merge_features_cases import Case, cases
from kernel_tests.repeating import assert_repeats


every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


@every_implementation
def test_a_span_longer_than_its_features_leaves_the_rest_as_it_is(implementation: str) -> None:
    embeds, features = torch.zeros(1, 4, 3, device=DEVICE), torch.ones(2, 3, device=DEVICE)
    case = Case(embeds, features, [(0, 1, 3)], embeds, wild=True)
    assert torch.equal(case.run(implementation), case.expected())
    assert case.expected()[0, :, 0].tolist() == [0, 1, 1, 0]


@every_implementation
def test_the_later_of_two_spans_counts_as_far_as_it_has_features(implementation: str) -> None:
    random = torch.Generator().manual_seed(0)
    embeds, grad = torch.randn(2, 1, 5, 3, generator=random).to(DEVICE)
    features = torch.randn(4, 3, generator=random).to(DEVICE)
    case = Case(embeds, features, [(0, 0, 3), (0, 1, 2)], grad, wild=True)
    assert torch.equal(case.run(implementation), case.expected())
    assert torch.equal(case.expected()[0, :3], features[[0, 3, 2]])
    assert all(map(torch.equal, case.gradients(implementation), case.expected_gradients()))


@every_implementation
@thorough
@given(case=cases())
def test_forward(implementation: str, case: Case) -> None:
    before = case.embeds.clone(), case.features.clone()
    assert torch.equal(case.run(implementation), case.expected())
    assert torch.equal(case.embeds, before[0]) and torch.equal(case.features, before[1])


@every_implementation
@thorough
@given(case=cases())
def test_backward(implementation: str, case: Case) -> None:
    before = case.grad.clone()
    for one, other in zip(case.gradients(implementation), case.expected_gradients(), strict=True):
        assert one.dtype == other.dtype and torch.equal(one, other)
    assert torch.equal(case.grad, before)


@every_implementation
@brief
@given(case=cases(wild=False))
def test_what_is_covered_does_not_shine_through(implementation: str, case: Case) -> None:
    embeds, grad = case.embeds.clone(), case.grad.clone()
    for _, row, position in case.places():
        embeds[row, position] = float("nan")
        grad[row, position] = float("inf")
    dirty = replace(case, embeds=embeds, grad=grad)
    assert torch.equal(dirty.run(implementation), case.run(implementation))
    assert torch.equal(dirty.gradients(implementation)[0], case.gradients(implementation)[0])


@every_implementation
@brief
@given(case=cases(wild=False), seed=st.integers(0, 99))
def test_the_order_of_the_pictures_does_not_matter(
    implementation: str, case: Case, seed: int
) -> None:
    each = case.features.split([length for _, _, length in case.spans])
    pictures = list(zip(case.spans, each, strict=True))
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(pictures), generator=random).tolist()
    shuffled = replace(
        case,
        spans=[pictures[i][0] for i in order],
        features=torch.cat([case.features[:0], *(pictures[i][1] for i in order)]),
    )
    assert torch.equal(shuffled.run(implementation), case.run(implementation))


@needs_triton
@brief
@given(case=cases())
def test_repeating_changes_no_bit(case: Case) -> None:
    assert_repeats(lambda: [case.run("triton"), *case.gradients("triton")])
