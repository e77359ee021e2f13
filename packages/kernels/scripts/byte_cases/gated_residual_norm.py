"""A Lumina head in training, 128 x 64 tokens; the residual add of a 7 B language model."""

import torch
from torch import Tensor

from byte_cases.case import Case, draw, rms_norm
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


def _forward(*inputs: Tensor | None) -> object:
    return _ops.gated_residual_norm_forward(*inputs, *[None] * (6 - len(inputs)), 1e-6)


def _backward(x: Tensor, y: Tensor, *parameters: Tensor) -> object:
    shared = (*parameters, *[None] * (4 - len(parameters)))
    branch = y if len(parameters) > 1 else None
    return _ops.gated_residual_norm_backward(x, y, x, branch, y.dtype, *shared, 1e-6)


def cases() -> list[Case]:
    """Both."""
    row, sample, wide = (128, 64, 1792), (128, 1792), (4, 2048, 3584)
    shapes = (row, row, (1792,), (1792,), sample, sample)
    return [
        Case("Lumina: b 128 n 64 d 1792", lambda: [draw(*s) for s in shapes], _lumina, _forward,
             _backward),
        Case("LLM: b 4 n 2048 d 3584", lambda: [draw(*wide), draw(*wide), draw(3584)],
             _residual_add, _forward, _backward),
    ]  # fmt: skip
