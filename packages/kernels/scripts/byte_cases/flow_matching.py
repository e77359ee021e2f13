"""The pair on the features of a Lumina head in training: 128 samples of 64 tokens of 1792."""

import torch
from torch import Tensor

from byte_cases.case import Case, draw
from diptych_kernels import flow_interpolate, flow_matching_loss
from diptych_kernels.ops.flow_matching import triton  # noqa: F401


_ops = torch.ops.diptych_kernels
_SHAPE = (128, 64, 1792)


def _interpolate(x: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, ...]:
    """As BLIP3-o's training step writes it."""
    sigma = t[:, None, None].to(x.dtype)
    return ((1.0 - sigma) * x + sigma * noise,)


def _loss(prediction: Tensor, x: Tensor, noise: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    """As BLIP3-o and diffusers' training scripts write it."""
    target = noise - x
    error = (prediction.float() - target.float()) ** 2
    return ((weight[:, None, None] * error).reshape(x.shape[0], -1).mean(1),)


def _loss_forward(prediction: Tensor, x: Tensor, noise: Tensor, weight: Tensor) -> object:
    return weight * _ops.flow_matching_errors(prediction, x, noise, None, True)[0]


def _loss_backward(prediction: Tensor, x: Tensor, noise: Tensor, weight: Tensor) -> object:
    factors = torch.stack([weight, -weight], 1)
    return _ops.flow_matching_scale(prediction, factors, prediction.dtype, None)


def _call_interpolate(name: str, x: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, ...]:
    return (flow_interpolate(x, noise, t, implementation=name),)


def _call_loss(
    name: str, prediction: Tensor, x: Tensor, noise: Tensor, weight: Tensor
) -> tuple[Tensor, ...]:
    return (flow_matching_loss(prediction, x, noise, weight=weight, implementation=name),)


def cases() -> list[Case]:
    """Both."""
    samples = {"dtype": torch.float32, "learned": False}
    return [
        Case("interpolate: b 128 n 64 c 1792",
             lambda: [draw(*_SHAPE, learned=False), draw(*_SHAPE, learned=False),
                      draw(128, **samples)],
             _interpolate, _ops.flow_interpolate, None, call=_call_interpolate),
        Case("loss: b 128 n 64 c 1792",
             lambda: [draw(*_SHAPE), draw(*_SHAPE, learned=False), draw(*_SHAPE, learned=False),
                      draw(128, **samples)],
             _loss, _loss_forward, _loss_backward, call=_call_loss),
    ]  # fmt: skip
