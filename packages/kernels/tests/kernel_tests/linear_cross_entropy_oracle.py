"""Judges ``linear_cross_entropy`` against its reference in float64 on the rounded inputs."""

import torch
from torch import Tensor

from kernel_tests.linear_cross_entropy_cases import IGNORED, Case
from kernel_tests.tolerance import assert_close


def judge_forward(case: Case, loss: Tensor) -> None:
    """Checks the losses: each logit is off by its sum of absolute terms, in units of float32."""
    assert loss.dtype == torch.float32
    exact = case.map(Tensor.double)
    logits, terms = _logits(exact)
    lse = logits.logsumexp(1)
    # A tanh near its bound is exact to units of the bound, whatever goes in.
    magnitude = (2 * terms + lse.abs()) * (1 + 2 * case.z_loss * lse.abs())
    magnitude = magnitude + logits.abs().amax(1) + 1
    magnitude = magnitude * (case.labels != IGNORED)
    assert_close("loss", loss, exact.run("reference"), magnitude, _summands(case))


def judge_backward(case: Case, gradients: tuple[Tensor, ...]) -> None:
    """Checks both gradients against float64 autograd of the reference."""
    exact = case.map(Tensor.double)
    logits, terms = _logits(exact)
    lse = logits.logsumexp(1)[:, None]
    off = 1 + 3 * terms[:, None] + lse.abs()
    if case.soft_cap is not None:
        off = off * (1 + terms[:, None] / case.soft_cap)
    target = torch.full_like(logits, case.label_smoothing / len(case.weight))
    rows = torch.arange(len(logits), device=target.device)
    target[rows, case.labels.long().clamp(min=0)] += 1 - case.label_smoothing
    chance = (logits - lse).exp() * (1 + 2 * case.z_loss * lse.abs())
    kept = (case.labels != IGNORED)[:, None]
    each = exact.grad.abs()[:, None] * (chance * off + target * off.clamp(max=4)) * kept
    # d(logits) near 0 in a saturated tanh: 1 - tanh^2 is exact to units of 1.
    magnitudes = each @ exact.weight.abs(), each.mT @ exact.x.abs()
    if case.x.is_cuda and case.x.dtype == case.weight.dtype != torch.float32:
        # d(logits) is rounded to 16 bits there, for the matrix units.
        magnitudes = tuple(m * torch.finfo(case.x.dtype).eps * 2.0**22 for m in magnitudes)
    names = ("x", "weight")
    expected = exact.gradients("reference")
    for name, one, other, magnitude in zip(names, gradients, expected, magnitudes, strict=True):
        assert one.dtype == getattr(case, name).dtype
        assert_close(f"grad_{name}", one, other, magnitude, _summands(case))


def _logits(case: Case) -> tuple[Tensor, Tensor]:
    """The logits, and for each row the largest sum of absolute terms of one."""
    x = torch.where((case.labels != IGNORED)[:, None], case.x, 0.0)
    logits = x @ case.weight.mT
    if case.soft_cap is not None:
        logits = case.soft_cap * torch.tanh(logits / case.soft_cap)
    return logits, (x.abs() @ case.weight.abs().mT).amax(1)


def _summands(case: Case) -> int:
    return max(*case.x.shape, len(case.weight))
