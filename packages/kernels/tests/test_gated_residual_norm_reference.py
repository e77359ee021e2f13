"""The reference itself: derivatives in float64, and agreement with torch's own parts."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn.functional import rms_norm

import diptych_kernels
from diptych_kernels.ops.gated_residual_norm.reference import gated_residual_norm_reference


FLAGS = list(itertools.product([False, True], repeat=3))


def _inputs(branch_norm: bool, gated: bool, modulated: bool, width: int = 4) -> list[Tensor | None]:
    random = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        values = torch.randn(*shape, generator=random, dtype=torch.float64)
        return values.requires_grad_()

    return [
        draw(2, 3, width),
        draw(2, 3, width),
        draw(width),
        draw(width) if branch_norm else None,
        draw(2, width) if gated else None,
        draw(2, width) if modulated else None,
    ]


@pytest.mark.parametrize(("branch_norm", "gated", "modulated"), FLAGS)
def test_first_and_second_derivatives(branch_norm: bool, gated: bool, modulated: bool) -> None:
    inputs = _inputs(branch_norm, gated, modulated, width=3)
    assert torch.autograd.gradcheck(gated_residual_norm_reference, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(gated_residual_norm_reference, inputs, fast_mode=True)


@pytest.mark.parametrize(("branch_norm", "gated", "modulated"), FLAGS)
def test_is_made_of_torchs_own_norms(branch_norm: bool, gated: bool, modulated: bool) -> None:
    x, y, weight, branch_weight, gate, scale = _inputs(branch_norm, gated, modulated)
    assert x is not None and y is not None and weight is not None
    branch = y if branch_weight is None else rms_norm(y, (4,), branch_weight, 1e-5)
    h = x + branch * (1 if gate is None else gate.tanh()[:, None])
    z = rms_norm(h, (4,), weight, 1e-5) * (1 if scale is None else 1 + scale[:, None])
    actual = gated_residual_norm_reference(x, y, weight, branch_weight, gate, scale, 1e-5)
    torch.testing.assert_close(actual, (h, z), rtol=1e-12, atol=1e-12)


def test_without_a_weight_the_sum_alone() -> None:
    x, y, weight, branch_weight, gate, _ = _inputs(True, True, False)
    h, z = gated_residual_norm_reference(x, y, None, branch_weight, gate)
    assert z is None and torch.equal(
        h, gated_residual_norm_reference(x, y, weight, branch_weight, gate)[0]
    )
    assert torch.autograd.gradcheck(
        lambda *inputs: gated_residual_norm_reference(*inputs[:2], None, *inputs[2:])[0],
        (x, y, branch_weight, gate),
        fast_mode=True,
    )


def test_outputs_take_the_dtypes_of_stream_and_branch() -> None:
    x, y = torch.randn(1, 2, 4), torch.randn(1, 2, 4, dtype=torch.bfloat16)
    h, z = diptych_kernels.gated_residual_norm(x, y, torch.ones(4, dtype=torch.float16))
    assert (h.dtype, z.dtype) == (torch.float32, torch.bfloat16)


def test_more_or_fewer_middle_axes_are_tokens_of_the_same_sample() -> None:
    x, y = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 5, 4)
    weight, gate = torch.randn(4), torch.randn(2, 4)
    h, z = diptych_kernels.gated_residual_norm(x, y, weight, gate=gate)
    flat = diptych_kernels.gated_residual_norm(x.flatten(1, 2), y.flatten(1, 2), weight, gate=gate)
    assert torch.equal(h.flatten(1, 2), flat[0]) and torch.equal(z.flatten(1, 2), flat[1])
    h, _ = diptych_kernels.gated_residual_norm(x[:, 0, 0], y[:, 0, 0], weight, gate=gate)
    assert torch.equal(h, flat[0][:, 0])
