"""The reference itself: derivatives in float64, and agreement with torch's own parts."""

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm, rms_norm

import diptych_kernels
from diptych_kernels.ops.qk_norm_rope.reference import qk_norm_rope_reference


CHOICES = [(norm, pairs) for norm in (None, "head", "row") for pairs in ("halves", "adjacent")]


def _inputs(norm: str | None) -> list[Tensor | None]:
    random = torch.Generator().manual_seed(0)

    def draw(*shape: int, learned: bool = True) -> Tensor:
        values = torch.randn(*shape, generator=random, dtype=torch.float64)
        return values.requires_grad_(learned)

    sizes = {"head": (4, 4), "row": (12, 8)}.get(norm or "", ())
    weights: list[Tensor | None] = [draw(size) for size in sizes] or [None, None]
    biases: list[Tensor | None] = [draw(size) for size in sizes] if norm == "row" else [None, None]
    angles = torch.randn(2, 3, 2, generator=random, dtype=torch.float64)
    return [draw(2, 3, 3, 4), draw(2, 3, 2, 4), angles.cos(), angles.sin(), *weights, *biases]


@pytest.mark.parametrize(("norm", "pairs"), CHOICES)
def test_first_and_second_derivatives(norm: str | None, pairs: str) -> None:
    call = partial(qk_norm_rope_reference, norm=norm, pairs=pairs)
    assert torch.autograd.gradcheck(call, _inputs(norm), fast_mode=True)
    assert torch.autograd.gradgradcheck(call, _inputs(norm), fast_mode=True)


@pytest.mark.parametrize(("norm", "pairs"), CHOICES)
def test_is_made_of_torchs_norms_and_complex_numbers(norm: str | None, pairs: str) -> None:
    inputs = _inputs(norm)
    actual = qk_norm_rope_reference(*inputs, norm=norm, pairs=pairs, eps=1e-5)  # type: ignore[arg-type]
    q, k, cos, sin, *parameters = inputs
    assert cos is not None and sin is not None
    turn = torch.complex(cos, sin)[:, :, None]
    for a, weight, bias, found in zip((q, k), parameters[:2], parameters[2:], actual, strict=True):
        assert a is not None and found is not None
        if norm == "head":
            a = rms_norm(a, (4,), weight, 1e-5)
        elif norm == "row":
            a = layer_norm(a.flatten(2), (a.shape[2] * 4,), weight, bias, 1e-5).view(a.shape)
        if pairs == "halves":
            turned = torch.complex(*a.chunk(2, -1)) * turn
            expected = torch.cat([turned.real, turned.imag], -1)
        else:
            turned = torch.view_as_complex(a.reshape(*a.shape[:-1], 2, 2)) * turn
            expected = torch.view_as_real(turned).flatten(-2)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_row_and_a_column_turn_their_own_pairs() -> None:
    """2-D axial rotation is a matter of the table: swapped axes are another result."""
    q = torch.ones(1, 6, 1, 4)
    row, column = torch.meshgrid(torch.arange(2.0), torch.arange(3.0), indexing="ij")
    angles = torch.stack([row.flatten(), column.flatten()], -1)
    turned, _ = diptych_kernels.qk_norm_rope(q, None, angles.cos(), angles.sin(), pairs="adjacent")
    same_row = turned.view(2, 3, 2, 2)[:, :, 0]
    assert torch.equal(same_row, same_row[:, :1].expand_as(same_row))
    same_column = turned.view(2, 3, 2, 2)[:, :, 1]
    assert torch.equal(same_column, same_column[:1].expand_as(same_column))
    assert not torch.equal(same_row[0], same_row[1])


def test_outputs_take_the_dtypes_of_q_and_k() -> None:
    q, k = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4, dtype=torch.bfloat16)
    table = torch.ones(2, 2, dtype=torch.float16)
    turned = diptych_kernels.qk_norm_rope(q, k, table, table)
    assert [a.dtype for a in turned] == [torch.float32, torch.bfloat16]
