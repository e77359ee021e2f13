"""The reference itself: derivatives in float64, and agreement with torch's and known parts."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from diptych_kernels import guided_step
from diptych_kernels.ops.guided_step.reference import guided_step_reference


def _inputs() -> tuple[Tensor, ...]:
    random = torch.Generator().manual_seed(0)
    rows = torch.randn(4, 2, 5, generator=random, dtype=torch.float64).unbind()
    numbers = torch.tensor([0.3, 2.5, 0.8], dtype=torch.float64).unbind()
    return tuple(a.clone().requires_grad_() for a in (*rows, *numbers))


@pytest.mark.parametrize(
    ("guided", "stepped", "rescale"),
    [(False, True, 0.0), *itertools.product([True], [False, True], [0.0, 0.6])],
)
def test_first_and_second_derivatives(guided: bool, stepped: bool, rescale: float) -> None:
    x, conditional, null, before, dt, scale, ratio = _inputs()
    inputs = (x, conditional, null if guided else None, before if stepped else None,
              dt, scale, ratio)  # fmt: skip

    def function(*inputs: Tensor) -> tuple[Tensor, Tensor]:
        return guided_step_reference(*inputs, rescale=rescale)

    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


def test_rescaling_is_that_of_the_paper() -> None:
    x, conditional, null, *_ = _inputs()
    guided = null + 4 * (conditional - null)
    brought = guided * (conditional.std(1, keepdim=True) / guided.std(1, keepdim=True))
    expected = x - 0.1 * (0.7 * brought + 0.3 * guided)
    actual = guided_step(x, conditional, null, dt=-0.1, scale=4.0, rescale=0.7)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("two_steps", "order"), [(False, 1), (True, 2)])
def test_the_error_of_an_integration_falls_with_its_order(two_steps: bool, order: int) -> None:
    """dx/dt = -2 t x from t = 0 to 1, where x = exp(-t^2); steps of unequal length."""

    def error(steps: int) -> float:
        times = [(i / steps) ** 1.3 for i in range(steps + 1)]
        x = torch.ones(1, 1, dtype=torch.float64)
        before: Tensor | None = None
        for i in range(steps):
            dt = times[i + 1] - times[i]
            ratio = dt / (times[i] - times[i - 1]) if i else 1.0
            x, velocity = guided_step(
                x, -2 * times[i] * x, dt=dt, ratio=ratio, before=before, return_velocity=True
            )
            before = velocity if two_steps else None
        return abs(x.item() - math.exp(-1))

    assert math.log2(error(100) / error(200)) == pytest.approx(order, abs=0.15)


def test_any_shape_and_a_state_in_float32() -> None:
    x = torch.randn(2, 3, 4, 5)
    prediction = torch.randn(2, 3, 4, 5).bfloat16()
    out, velocity = guided_step(
        x, prediction, 0 * prediction, dt=0.5, scale=2.0, return_velocity=True
    )
    assert out.shape == velocity.shape == x.shape and out.dtype == torch.float32
    assert torch.equal(velocity, 2 * prediction.float())
    assert guided_step(x[:, 0, 0, 0], prediction[:, 0, 0, 0], dt=1.0).shape == (2,)
