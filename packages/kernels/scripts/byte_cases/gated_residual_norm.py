"""A Lumina head in training, 128 x 64 tokens; the residual add of a 7 B language model."""

import torch
from torch import Tensor

from byte_cases.case import Case, draw, rms_norm
from diptych_kernels import gated_residual_norm
from diptych_kernels.ops.gated_residual_norm import triton  # noqa: F401


_ops = torch.ops.diptych_kernels


def _lumina(
    x: Tensor, y: Tensor, weight: Tensor, branch_weight: Tensor, gate: Tensor, scale: Tensor
) -> tuple[Tensor, ...]:
    """As diffusers' ``LuminaNextDiTBlock``."""
    h = x + gate.unsqueeze(1).tanh() * rms_norm(y, branch_weight)
    return h, rms_norm(h, weight) * (1 + scale.unsqueeze(1))


def _residual_add(x: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    """As transformers' ``Qwen2DecoderLayer``."""
    h = x + y
    return h, rms_norm(h, weight)


def _lumina_end(x: Tensor, y: Tensor, branch_weight: Tensor, gate: Tensor) -> tuple[Tensor, ...]:
    """The same block's end, whose sum the next block normalises."""
    return (x + gate.unsqueeze(1).tanh() * rms_norm(y, branch_weight),)


def _forward(*inputs: Tensor | None) -> object:
    return _ops.gated_residual_norm_forward(*inputs, *[None] * (6 - len(inputs)), 1e-6)


def _forward_end(x: Tensor, y: Tensor, branch_weight: Tensor, gate: Tensor) -> object:
    return _forward(x, y, None, branch_weight, gate)


def _backward_end(x: Tensor, y: Tensor, *shared: Tensor) -> object:
    return _ops.gated_residual_norm_backward(x, None, x, y, y.dtype, None, *shared, None, 1e-6)


def _call(name: str, *inputs: Tensor | None) -> tuple[Tensor, ...]:
    x, y, weight, branch_weight, gate, scale = (*inputs, *[None] * (6 - len(inputs)))
    outputs = gated_residual_norm(
        x, y, weight, branch_weight=branch_weight, gate=gate, scale=scale, implementation=name
    )
    return tuple(a for a in outputs if a is not None)


def _call_end(name: str, x: Tensor, y: Tensor, *shared: Tensor) -> tuple[Tensor, ...]:
    return _call(name, x, y, None, *shared)


def _backward(x: Tensor, y: Tensor, *parameters: Tensor) -> object:
    shared = (*parameters, *[None] * (4 - len(parameters)))
    branch = y if len(parameters) > 1 else None
    return _ops.gated_residual_norm_backward(x, y, x, branch, y.dtype, *shared, 1e-6)


def cases() -> list[Case]:
    """All three."""
    row, sample, wide = (128, 64, 1792), (128, 1792), (4, 2048, 3584)
    shapes = (row, row, (1792,), (1792,), sample, sample)
    return [
        Case("Lumina: b 128 n 64 d 1792", lambda: [draw(*s) for s in shapes], _lumina, _forward,
             _backward, call=_call),
        Case("Lumina, end: b 128 n 64 d 1792",
             lambda: [draw(*row), draw(*row), draw(1792), draw(*sample)], _lumina_end,
             _forward_end, _backward_end, call=_call_end),
        Case("LLM: b 4 n 2048 d 3584", lambda: [draw(*wide), draw(*wide), draw(3584)],
             _residual_add, _forward, _backward, call=_call),
    ]  # fmt: skip
