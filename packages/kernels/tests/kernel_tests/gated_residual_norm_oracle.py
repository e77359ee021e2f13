"""Judges ``gated_residual_norm`` against its reference in float64 on the rounded inputs."""

from dataclasses import replace

import torch
from torch import Tensor

from kernel_tests.gated_residual_norm_cases import NormCase
from kernel_tests.tolerance import assert_close


Exact = dict[str, tuple[Tensor, Tensor]]


def judge_forward(case: NormCase, h: Tensor, z: Tensor) -> None:
    """Checks h against exact h, and z against exact z of h *as returned*."""
    assert h.dtype == case.x.dtype and (case.weight is None or z.dtype == case.y.dtype)
    exact = case.map(Tensor.double)
    exact_h, _ = exact.run("reference")
    branch = exact_h - exact.x
    width = case.x.shape[-1]
    assert_close("h", h, exact_h, exact.x.abs() + branch.abs(), width)

    if case.weight is None:
        return
    # The reference with nothing to add computes z from a given h.
    alone = replace(exact, x=h.double(), y=torch.zeros_like(exact.y), branch_weight=None, gate=None)
    unscaled = replace(alone, scale=None).run("reference")[1].abs()
    widest = 1 if exact.scale is None else 1 + exact.scale.abs().unsqueeze(1)
    assert_close("z", z, alone.run("reference")[1], unscaled * widest, width)


def judge_backward(case: NormCase, h: Tensor, gradients: dict[str, Tensor]) -> None:
    """Checks all gradients against float64 autograd of the reference at h as returned."""
    exact = case.map(Tensor.double)
    branch = exact.run("reference")[0] - exact.x
    exact = replace(exact, x=h.double() - branch)
    expected = exact.gradients("reference")
    magnitudes = _magnitudes(exact, h.double())
    batch, tokens, width = case.x.shape
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        assert gradient.dtype == getattr(case, name).dtype, name
        summands = width + (0 if name in "xy" else batch * tokens)
        assert_close(f"grad_{name}", gradient, expected[name], magnitudes[name], summands)


def _magnitudes(case: NormCase, h: Tensor) -> dict[str, Tensor]:
    """For each gradient, the sum of the absolute values of the terms it is made of."""

    def unit(a: Tensor) -> tuple[Tensor, Tensor]:
        rstd = torch.rsqrt(a.square().mean(-1, keepdim=True) + case.eps)
        return rstd, (a * rstd).abs()

    def through_norm(grad: Tensor, rstd: Tensor, unit: Tensor) -> Tensor:
        return rstd * (grad + unit * (grad * unit).mean(-1, keepdim=True))

    zero = torch.zeros_like(case.x)
    grad_h = zero if case.grad_h is None else case.grad_h.abs()
    grad_z = zero if case.grad_z is None else case.grad_z.abs()
    weight = zero if case.weight is None else case.weight.abs()
    widest = 1 if case.scale is None else (1 + case.scale.abs()).unsqueeze(1)
    rstd, normed = unit(h)
    found = {"weight": (grad_z * normed * widest).sum((0, 1)),
             "scale": (grad_z * normed * weight).sum(1)}  # fmt: skip
    grad = found["x"] = grad_h + through_norm(grad_z * weight * widest, rstd, normed)

    gate = 1 if case.gate is None else case.gate.tanh().abs().unsqueeze(1)
    if case.branch_weight is None:
        found["y"] = grad * gate
        found["gate"] = (grad * case.y.abs()).sum(1)
    else:
        rstd, normed = unit(case.y)
        factor = case.branch_weight.abs()
        found["y"] = through_norm(grad * gate * factor, rstd, normed)
        found["branch_weight"] = (grad * normed * gate).sum((0, 1))
        found["gate"] = (grad * normed * factor).sum(1)
    return found
