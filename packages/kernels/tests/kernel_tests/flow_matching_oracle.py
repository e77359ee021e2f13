"""Judges the flow-matching pair against its references in float64 on the rounded inputs."""

import torch
from torch import Tensor

from kernel_tests.flow_matching_cases import InterpolateCase, LossCase
from kernel_tests.tolerance import assert_close, half_a_unit


def judge_interpolate(case: InterpolateCase, out: Tensor) -> None:
    """Checks x_t."""
    assert out.dtype == case.x.dtype
    exact = case.doubled()
    t = exact.t[:, None, None]
    magnitude = (1 - t).abs() * exact.x.abs() + t.abs() * exact.noise.abs()
    assert_close("x_t", out, exact.run("reference")[0], magnitude, 2)


def judge_interpolate_backward(case: InterpolateCase, gradients: dict[str, Tensor]) -> None:
    """Checks both gradients."""
    for name, expected in case.doubled().gradients("reference").items():
        assert gradients[name].dtype == getattr(case, name).dtype
        assert_close(f"grad_{name}", gradients[name], expected, expected.abs(), 1)


def judge_loss(case: LossCase, loss: Tensor) -> None:
    """Checks the losses."""
    assert loss.dtype == torch.float32
    exact = case.doubled()
    magnitude = _mean_square(exact)
    if exact.weight is not None:
        magnitude = magnitude * exact.weight.abs()
    length = case.x[0].numel() if len(case.x) else 0
    assert_close("loss", loss, exact.run("reference")[0], magnitude, length)


def judge_loss_backward(case: LossCase, gradients: dict[str, Tensor]) -> None:
    """Checks all gradients; errors may have been rounded to the dtype of the prediction."""
    exact = case.doubled()
    expected = exact.gradients("reference")
    assert gradients.keys() == expected.keys()
    factor = 2 * exact.grad_loss / _count(exact)
    if exact.weight is not None:
        factor = factor * exact.weight
        magnitude = exact.grad_loss.abs() * _mean_square(exact)
        length = case.x[0].numel() if len(case.x) else 0
        assert_close("grad_weight", gradients["weight"], expected["weight"], magnitude, length)
    factor = factor.abs()[:, None, None]
    error = exact.prediction - (exact.noise - exact.x)
    rounded = half_a_unit(error, case.prediction.dtype) * factor
    for name in ("prediction", "x", "noise"):
        assert gradients[name].dtype == getattr(case, name).dtype
        assert_close(
            f"grad_{name}", gradients[name], expected[name], _terms(exact) * factor, 4, rounded
        )


def _terms(case: LossCase) -> Tensor:
    return case.prediction.abs() + case.x.abs() + case.noise.abs()


def _count(case: LossCase) -> Tensor:
    if case.mask is None:
        return torch.full(case.x.shape[:1], case.x.shape[1:].numel()).clamp_min(1).to(case.x)
    return (case.mask.sum(1) * case.x.shape[2]).clamp_min(1).to(case.x)


def _mean_square(case: LossCase) -> Tensor:
    terms = _terms(case)
    if case.mask is not None:
        terms = terms * case.mask[..., None]
    return terms.square().sum((1, 2)) / _count(case)
