"""What ``guided_step`` accepts."""

import math

import torch
from torch import Tensor

from diptych_kernels import checks


NAME = "guided_step"


def check(
    x: Tensor,
    conditional: Tensor,
    null: Tensor | None,
    before: Tensor | None,
    dt: float | Tensor,
    scale: float | Tensor,
    ratio: float | Tensor,
    rescale: float,
) -> None:
    """Raises ``TypeError`` or ``ValueError`` naming the argument, the expected and the given."""
    checks.floating_tensor(NAME, "x", x)
    if x.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"{NAME}: x must be float32 (or float64), got {x.dtype}: a state of 16 bits loses "
            "small steps; keep it in float32 and pass the network a copy"
        )
    if x.dim() < 1:
        raise ValueError(f"{NAME}: x must have shape 'b ...', got a single number")
    like = f"x is {list(x.shape)}"
    for argument, value in (("conditional", conditional), ("null", null), ("before", before)):
        if value is None and argument != "conditional":
            continue
        value = checks.floating_tensor(NAME, argument, value)
        checks.shape(NAME, argument, value, "b ...", x.shape, like)
        checks.same_device(NAME, argument, value, "x", x.device)
    for argument, number in (("dt", dt), ("scale", scale), ("ratio", ratio)):
        _scalar(argument, number, x)
    if isinstance(rescale, bool) or not isinstance(rescale, int | float):
        raise TypeError(f"{NAME}: rescale must be a number, got {type(rescale).__name__}")
    if not 0 <= rescale <= 1:
        raise ValueError(f"{NAME}: rescale must be in [0, 1], got {rescale}")
    if null is None and (isinstance(scale, Tensor) or scale != 1 or rescale > 0):
        raise ValueError(
            f"{NAME}: a scale or rescale needs null, the prediction to guide away from"
        )


def _scalar(argument: str, value: object, x: Tensor) -> None:
    """Raises unless ``value`` is a finite number, or a tensor of one on the device of x."""
    if isinstance(value, Tensor):
        checks.floating_tensor(NAME, argument, value)
        if value.numel() != 1:
            raise ValueError(
                f"{NAME}: {argument} must be a number or a tensor of one, got {list(value.shape)}"
            )
        checks.same_device(NAME, argument, value, "x", x.device)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(
            f"{NAME}: {argument} must be a number or a tensor of one, got {type(value).__name__}"
        )
    elif not -math.inf < value < math.inf:
        raise ValueError(f"{NAME}: {argument} must be finite, got {value}")
