"""The references themselves: derivatives in float64, and agreement with torch's own parts."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

import diptych_kernels
from diptych_kernels.ops.flow_matching.reference import (
    flow_interpolate_reference,
    flow_matching_loss_reference,
)


MASK = torch.tensor([[True, False, True], [True, True, True]])


def _draw(*shape: int) -> Tensor:
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))
    return values.double().requires_grad_()


def _data() -> list[Tensor]:
    return [(_draw(2, 3, 4).detach() * k).requires_grad_() for k in (1, 2, 3)]


def test_first_and_second_derivatives_of_the_way() -> None:
    x, noise, _ = _data()
    inputs = (x, noise, torch.tensor([0.2, 0.9], dtype=torch.float64))
    assert torch.autograd.gradcheck(flow_interpolate_reference, inputs)
    assert torch.autograd.gradgradcheck(flow_interpolate_reference, inputs)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("mask", [None, MASK])
def test_first_and_second_derivatives_of_the_loss(weighted: bool, mask: Tensor | None) -> None:
    inputs = (*_data(), _draw(2) if weighted else None, mask)
    assert torch.autograd.gradcheck(flow_matching_loss_reference, inputs)
    assert torch.autograd.gradgradcheck(flow_matching_loss_reference, inputs)


def test_the_loss_is_torchs_mean_square_error() -> None:
    prediction, x, noise = _data()
    loss = flow_matching_loss_reference(prediction, x, noise, None, None)
    torch.testing.assert_close(loss.mean(), mse_loss(prediction, noise - x))
    masked = flow_matching_loss_reference(prediction, x, noise, None, MASK)
    torch.testing.assert_close(masked[0], mse_loss(prediction[0, ::2], (noise - x)[0, ::2]))
    torch.testing.assert_close(masked[1], loss[1])


def test_the_loss_is_the_velocity_of_the_way() -> None:
    """The derivative of x_t with respect to t is what the loss wants."""
    x, noise, _ = (a.detach() for a in _data())
    early, late = (flow_interpolate_reference(x, noise, x.new_full((2,), t)) for t in (0.4, 0.6))
    loss = flow_matching_loss_reference((late - early) / 0.2, x, noise, None, None)
    assert loss.max() < 1e-25


def test_other_shapes_are_rows_of_the_last_axis() -> None:
    x, noise, prediction = torch.randn(3, 2, 4, 5, 6)
    t = torch.rand(2)
    mask = torch.rand(2, 4, 5) > 0.5
    way = diptych_kernels.flow_interpolate(x, noise, t)
    assert torch.equal(
        way[:, 1, 2], diptych_kernels.flow_interpolate(x[:, 1, 2], noise[:, 1, 2], t)
    )
    flat = [a.flatten(1, 2) for a in (prediction, x, noise)]
    loss = diptych_kernels.flow_matching_loss(prediction, x, noise, mask=mask)
    assert torch.equal(loss, diptych_kernels.flow_matching_loss(*flat, mask=mask.flatten(1)))
    two = [a[:, 0, 0] for a in (prediction, x, noise)]
    loss = diptych_kernels.flow_matching_loss(*two, mask=mask[:, 0, 0])
    assert torch.equal(loss == 0, ~mask[:, 0, 0])
