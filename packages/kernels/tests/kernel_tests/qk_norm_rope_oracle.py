"""Judges ``qk_norm_rope`` against its reference in float64 on the rounded inputs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kernel_tests.qk_norm_rope_cases import QkCase
from kernel_tests.tolerance import assert_close


def judge_forward(case: QkCase, outputs: tuple[Tensor, ...]) -> None:
    """Checks q and k."""
    exact = case.doubled()
    expected = exact.run("reference")
    for name, actual, correct in zip("qk", outputs, expected, strict=True):
        if (a := getattr(exact, name)) is None:
            continue
        assert actual.dtype == getattr(case, name).dtype
        through = _Norm.of(exact, name)
        weight, bias = through.weight.abs(), through.bias.abs()
        magnitude = _turned(exact, through.unit * weight + bias)
        assert_close(f"{name}_out", actual, correct, magnitude, _length(case, a))


def judge_backward(case: QkCase, gradients: dict[str, Tensor]) -> None:
    """Checks all gradients against float64 autograd of the reference."""
    exact = case.doubled()
    expected = exact.gradients("reference")
    magnitudes = _magnitudes(exact)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        assert gradient.dtype == getattr(case, name).dtype, name
        a = getattr(case, name[0])
        summands = _length(case, a) + (a[..., 0].numel() if "_" in name else 0)
        assert_close(f"grad_{name}", gradient, expected[name], magnitudes[name], summands)


@dataclass(frozen=True)
class _Norm:
    """A norm at given values: 1/deviation, the magnitude of the unit row, and how errors grow.

    Where a row is far from 0 compared with how it varies, float32 loses its mean: errors of the
    centred row, and through the variance of everything, grow by ``growth``.
    """

    rstd: Tensor
    unit: Tensor
    growth: Tensor
    weight: Tensor
    bias: Tensor

    @staticmethod
    def of(case: QkCase, name: str) -> "_Norm":
        a, one = getattr(case, name), torch.ones((), dtype=torch.float64)
        weight, bias = (getattr(case, f"{name}_{kind}") for kind in ("weight", "bias"))
        if case.norm is None:
            return _Norm(one, a.abs(), one, one, 0 * one)
        if case.norm == "head":
            rstd = torch.rsqrt(a.square().mean(-1, keepdim=True) + case.eps)
            return _Norm(rstd, (a * rstd).abs(), one, weight, 0 * one)
        centred = a - a.mean((-1, -2), keepdim=True)
        rstd = torch.rsqrt(centred.square().mean((-1, -2), keepdim=True) + case.eps)
        far = a.abs().mean((-1, -2), keepdim=True)
        growth = 1 + far * rstd
        bias = 0 * one if bias is None else bias.view(a.shape[2:])
        return _Norm(rstd, (a.abs() + far) * rstd * growth, growth, weight.view(a.shape[2:]), bias)


def _magnitudes(case: QkCase) -> dict[str, Tensor]:
    """For each gradient, the sum of the absolute values of the terms it is made of."""
    found = {}
    for name in "qk":
        if (a := getattr(case, name)) is None:
            continue
        grad = getattr(case, f"grad_{name}_out")
        grad = _turned(case, torch.zeros_like(a) if grad is None else grad.abs())
        norm = _Norm.of(case, name)
        found[name] = grad
        if case.norm is None:
            continue
        axes = (-1,) if case.norm == "head" else (-1, -2)
        direct = grad * norm.weight.abs()
        along = norm.unit * (direct * norm.unit).mean(axes, keepdim=True)
        around = direct.mean(axes, keepdim=True) if case.norm == "row" else 0
        found[name] = norm.rstd * norm.growth * (direct + around + along)
        shared = (0, 1, 2) if case.norm == "head" else (0, 1)
        found[f"{name}_weight"] = (grad * norm.unit).sum(shared).flatten()
        found[f"{name}_bias"] = grad.sum(shared).flatten()
    return found


def _turned(case: QkCase, a: Tensor) -> Tensor:
    """Magnitudes of turned pairs, forward or back."""
    cos, sin = case.cos.abs().unsqueeze(-2), case.sin.abs().unsqueeze(-2)
    if case.pairs == "halves":
        u, v = a.chunk(2, -1)
        return torch.cat([u * cos + v * sin, u * sin + v * cos], -1)
    u, v = a[..., ::2], a[..., 1::2]
    return torch.stack([u * cos + v * sin, u * sin + v * cos], -1).flatten(-2)


def _length(case: QkCase, a: Tensor) -> int:
    return {None: 2, "head": a.shape[-1], "row": a.shape[-2:].numel()}[case.norm]
