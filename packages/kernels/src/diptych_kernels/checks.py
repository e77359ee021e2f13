"""Checks of arguments, with messages that name the argument, what was expected and what came."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def floating_tensor(operation: str, argument: str, value: object) -> Tensor:
    """Returns ``value``; ``TypeError`` unless it is a tensor of a dtype that is supported."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{operation}: {argument} must be a tensor, got {type(value).__name__}")
    if value.dtype not in DTYPES:
        names = ", ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES)
        raise TypeError(f"{operation}: {argument} must be one of {names}, got {value.dtype}")
    return value


def same_device(operation: str, argument: str, value: Tensor, like: str, device: object) -> None:
    """Raises ``ValueError`` unless ``value`` is on the device of the argument ``like``."""
    if value.device != device:
        raise ValueError(
            f"{operation}: {argument} must be on {device}, as {like} is, got {value.device}"
        )


def shape(
    operation: str, argument: str, value: Tensor, axes: str, expected: Sequence[int], like: str
) -> None:
    """Raises ``ValueError`` unless ``value`` has the expected shape.

    Args:
        operation: Name of the operation.
        argument: Name of the argument.
        value: The argument.
        axes: Its axes in einops notation, such as ``b d``.
        expected: Their lengths.
        like: Where the lengths come from, such as ``x is [2, 7, 64]``.
    """
    if tuple(value.shape) != tuple(expected):
        raise ValueError(
            f"{operation}: {argument} must have shape '{axes}' = {list(expected)} ({like}), "
            f"got {list(value.shape)}"
        )


def epsilon(operation: str, value: object) -> None:
    """Raises unless ``value`` is a finite number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{operation}: eps must be a number, got {type(value).__name__}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{operation}: eps must be finite and not negative, got {value}")
