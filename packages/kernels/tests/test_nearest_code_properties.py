"""Every implementation against float64, for whatever hypothesis draws; and what holds exactly."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import brief, thorough
from kernel_tests.nearest_code_cases import SearchCase, cases
from kernel_tests.nearest_code_oracle import judge
from kernel_tests.repeating import assert_repeats


every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


@every_implementation
def test_codes_almost_as_long_are_told_apart(implementation: str) -> None:
    """From 0 the shortest is the nearest, here the last; sums of 8 bits could not tell."""
    codes = (1 + torch.arange(40, 0, -1) / 2048)[:, None].expand(40, 3)
    case = SearchCase(torch.zeros(1, 3, device=DEVICE), codes.to(DEVICE), "euclidean")
    assert case.run(implementation)[0].item() == 39


@every_implementation
@pytest.mark.parametrize(
    ("of_x", "of_codes", "unit"),
    [
        (torch.bfloat16, torch.bfloat16, 2.0**-7),
        (torch.float16, torch.float16, 2.0**-10),
        (torch.float32, torch.float16, 2.0**-10),
        (torch.bfloat16, torch.float32, 2.0**-7),
    ],
)
def test_codes_almost_alike_are_told_apart(
    implementation: str, of_x: torch.dtype, of_codes: torch.dtype, unit: float
) -> None:
    """One code is x itself; a product of fewer bits than float32's would prefer the shorter one."""
    codes = (1 + unit * torch.arange(40, -1, -1))[:, None]
    case = SearchCase(codes[39:40].to(of_x).to(DEVICE), codes.to(of_codes).to(DEVICE), "euclidean")
    indices, distances = case.run(implementation)
    assert indices.item() == 39 and distances.item() == 0


@every_implementation
def test_a_zero_code_is_at_right_angles_to_everything(implementation: str) -> None:
    codes = torch.tensor([[0.0, 0.0], [1.0, 0.0]], device=DEVICE)
    case = SearchCase(torch.tensor([[2.0, 0.0], [-2.0, 0.0]], device=DEVICE), codes, "cosine")
    indices, distances = case.run(implementation)
    assert indices.tolist() == [1, 0] and distances.tolist() == [0, 1]


@every_implementation
@thorough
@given(case=cases())
def test_nothing_is_nearer(implementation: str, case: SearchCase) -> None:
    before = case.x.clone(), case.codebook.clone()
    judge(case, *case.run(implementation))
    assert torch.equal(case.x, before[0]) and torch.equal(case.codebook, before[1])


@every_implementation
@brief
@given(case=cases(integers=True))
def test_of_equal_scores_the_lowest_index_is_taken(implementation: str, case: SearchCase) -> None:
    """Sums of small integers are exact in every dtype and order, so ties are ties."""
    indices, distances = case.run(implementation)
    exact = (case.x.double()[:, None] - case.codebook.double()).square().sum(-1)
    assert torch.equal(indices, exact.argmin(-1))
    assert torch.equal(distances.double(), exact.gather(1, indices[:, None])[:, 0])


@every_implementation
@brief
@given(case=cases(min_size=1, integers=True), seed=st.integers(0, 99))
def test_the_order_of_the_codebook_does_not_matter(
    implementation: str, case: SearchCase, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(case.codebook), generator=random).to(case.x.device)
    shuffled = replace(case, codebook=case.codebook[order])
    assert torch.equal(case.run(implementation)[1], shuffled.run(implementation)[1])


@every_implementation
@brief
@given(case=cases(min_size=1), power=st.integers(-6, 6))
def test_the_cosine_forgets_a_power_of_two(
    implementation: str, case: SearchCase, power: int
) -> None:
    case = replace(case, x=case.x.float(), codebook=case.codebook.float(), metric="cosine")
    scaled = replace(case, codebook=case.codebook * 4.0**power, x=case.x * 2.0**power)
    for one, other in zip(case.run(implementation), scaled.run(implementation), strict=True):
        assert torch.equal(one, other)


@every_implementation
@brief
@given(case=cases(min_size=1))
def test_nan_and_infinity_stay_in_their_row(implementation: str, case: SearchCase) -> None:
    case = replace(case, x=case.x.contiguous())
    clean, _ = case.run(implementation)
    for poison in (float("nan"), float("inf")):
        x = case.x.clone()
        x[0, 0] = poison
        indices, distances = replace(case, x=x).run(implementation)
        expected, far = replace(case, x=x).run("reference")
        assert torch.equal(indices[1:], clean[1:]) and not distances[0].isfinite()
        assert indices[0] == expected[0] and torch.equal(distances[0].isnan(), far[0].isnan())


@every_implementation
def test_a_broken_code_shows_up(implementation: str) -> None:
    codebook = torch.randn(70, 3)
    codebook[66] = float("nan")
    case = SearchCase(torch.zeros(2, 3), codebook, "euclidean")
    indices, distances = case.run(implementation)
    assert indices.tolist() == [66, 66] and distances.isnan().all()


@needs_triton
@brief
@given(case=cases(min_size=1))
def test_repeating_changes_no_bit(case: SearchCase) -> None:
    assert_repeats(lambda: case.run("triton"))
