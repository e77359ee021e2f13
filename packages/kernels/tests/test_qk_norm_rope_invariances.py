"""What must hold exactly, or to the last bits, whatever the numbers."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import brief
from kernel_tests.qk_norm_rope_cases import QkCase, cases
from kernel_tests.repeating import assert_repeats
from torch import Tensor

import diptych_kernels


every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
TINY = 2.0**-20


def _stable(case: QkCase, implementation: str) -> QkCase:
    """torch adds up a row in another order if it is not contiguous."""
    return case.contiguous() if implementation == "reference" else case


@every_implementation
@brief
@given(case=cases(min_size=1, parted=False))
def test_no_angle_and_no_norm_is_the_identity(implementation: str, case: QkCase) -> None:
    still = replace(
        case, norm=None, q_weight=None, k_weight=None, q_bias=None, k_bias=None,
        cos=torch.ones_like(case.cos), sin=torch.zeros_like(case.sin),
    )  # fmt: skip
    q, k = still.run(implementation)
    assert torch.equal(q, case.q)
    assert case.k is None or torch.equal(k, case.k)


@every_implementation
@brief
@given(case=cases(min_size=1, parted=False), seed=st.integers(0, 99))
def test_tokens_do_not_know_each_other(implementation: str, case: QkCase, seed: int) -> None:
    case = _stable(case, implementation)
    order = torch.randperm(case.q.shape[1], generator=torch.Generator().manual_seed(seed))
    order = order.to(DEVICE)
    shuffled = replace(
        case,
        q=case.q[:, order],
        k=None if case.k is None else case.k[:, order],
        cos=case.cos[..., order, :],
        sin=case.sin[..., order, :],
    )
    for one, other in zip(case.run(implementation), shuffled.run(implementation), strict=True):
        assert torch.equal(one[:, order] if one.numel() else one, other)


@every_implementation
@brief
@given(data=st.data(), seed=st.integers(0, 2**16), offset=st.integers(-50, 50))
def test_scores_depend_on_relative_position(
    implementation: str, data: st.DataObject, seed: int, offset: int
) -> None:
    """The score of a query with a key is the same if both move on; lengths stay what they are."""
    random = torch.Generator().manual_seed(seed)
    width, heads = data.draw(st.sampled_from((2, 6, 16))), data.draw(st.integers(1, 3))
    q, k = torch.randn(2, 1, 4, heads, width, generator=random).to(DEVICE)
    frequencies = 10.0 ** -torch.arange(width // 2)
    pairs = data.draw(st.sampled_from(("halves", "adjacent")))

    def turned(start: int) -> tuple[Tensor, Tensor]:
        angles = (torch.arange(start, start + 4)[:, None] * frequencies).double()
        table = angles.cos().float().to(DEVICE), angles.sin().float().to(DEVICE)
        return diptych_kernels.qk_norm_rope(
            q, k, *table, pairs=pairs, implementation=implementation
        )

    def scores(q: Tensor, k: Tensor) -> Tensor:
        return torch.einsum("b n h d, b m h d -> b h n m", q.double(), k.double())

    here, there = turned(0), turned(offset)
    bound = TINY * q.norm(dim=-1).amax() * k.norm(dim=-1).amax() * width
    assert (scores(*here) - scores(*there)).abs().max() <= bound
    assert (here[0].norm(dim=-1) - q.norm(dim=-1)).abs().max() <= TINY * q.norm(dim=-1).amax()


@every_implementation
@brief
@given(case=cases(min_size=1, parted=False, dtypes=(torch.float32,)), power=st.integers(-8, 8))
def test_a_norm_forgets_a_power_of_two(implementation: str, case: QkCase, power: int) -> None:
    case = replace(_stable(case, implementation), eps=0.0, grad_q_out=None, grad_k_out=None)
    if case.norm is None or not _varies(case):
        return
    scaled = replace(case, q=case.q * 2.0**power)
    for one, other in zip(case.run(implementation), scaled.run(implementation), strict=True):
        assert torch.equal(one, other)


def _varies(case: QkCase) -> bool:
    """Whether no norm divides nothing by nothing: its values differ, in queries and keys alike."""
    rows = [
        each if case.norm == "head" else each.flatten(2)
        for each in (case.q, case.k)
        if each is not None
    ]
    return all(bool((each.amax(-1) > each.amin(-1)).all()) for each in rows)


@every_implementation
@brief
@given(case=cases(min_size=1, parted=False), poison=st.sampled_from([float("nan"), float("inf")]))
def test_nan_and_infinity_stay_in_their_token(
    implementation: str, poison: float, case: QkCase
) -> None:
    case = replace(_stable(case, implementation), q=case.q.contiguous().clone())
    clean = case.run(implementation)[0]
    case.q[0, 0, 0, 0] = poison
    dirty = case.run(implementation)[0]
    assert torch.equal(clean.flatten(0, 1)[1:], dirty.flatten(0, 1)[1:])
    if case.norm != "row":
        assert torch.equal(clean[0, 0, 1:], dirty[0, 0, 1:])
    assert torch.equal(dirty[0, 0].isfinite(), case.run("reference")[0][0, 0].isfinite())


@needs_triton
@brief
@given(case=cases(min_size=1, parted=False))
def test_repeating_changes_no_bit(case: QkCase) -> None:
    assert_repeats(lambda: case.gradients("triton").values())
