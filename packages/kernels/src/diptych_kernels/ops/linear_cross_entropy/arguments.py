"""What ``linear_cross_entropy`` accepts."""

import math

import torch
from torch import Tensor

from diptych_kernels import checks


NAME = "linear_cross_entropy"
REDUCTIONS = ("mean", "sum", "none")


def check(x: Tensor, weight: Tensor, labels: Tensor, ignore_index: int) -> None:
    """Raises ``TypeError`` or ``ValueError`` naming the argument, the expected and the given."""
    checks.floating_tensor(NAME, "x", x)
    checks.floating_tensor(NAME, "weight", weight)
    if not isinstance(labels, Tensor):
        raise TypeError(f"{NAME}: labels must be a tensor, got {type(labels).__name__}")
    if labels.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"{NAME}: labels must be int64 or int32, got {labels.dtype}")
    if x.dim() < 1:
        raise ValueError(f"{NAME}: x must have shape '... d', got a single number")
    if weight.dim() != 2 or weight.shape[0] == 0 or weight.shape[1] != x.shape[-1]:
        raise ValueError(
            f"{NAME}: weight must have shape 'v d' with v > 0 and d = {x.shape[-1]} "
            f"(x is {list(x.shape)}), got {list(weight.shape)}"
        )
    checks.shape(NAME, "labels", labels, "...", x.shape[:-1], f"x is {list(x.shape)}")
    checks.same_device(NAME, "weight", weight, "x", x.device)
    checks.same_device(NAME, "labels", labels, "x", x.device)
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, int):
        raise TypeError(
            f"{NAME}: ignore_index must be an integer, got {type(ignore_index).__name__}"
        )


def check_numbers(
    label_smoothing: float, z_loss: float, soft_cap: float | None, reduction: str, chunk: int | None
) -> None:
    """Raises ``TypeError`` or ``ValueError`` for the options."""
    for argument, value, least, most in (
        ("label_smoothing", label_smoothing, 0.0, 1.0),
        ("z_loss", z_loss, 0.0, math.inf),
        ("soft_cap", 1.0 if soft_cap is None else soft_cap, 0.0, math.inf),
    ):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{NAME}: {argument} must be a number, got {type(value).__name__}")
        if not least <= value <= most or value == math.inf:
            raise ValueError(f"{NAME}: {argument} must be in [{least}, {most}], got {value}")
    if soft_cap == 0:
        raise ValueError(f"{NAME}: soft_cap must be positive; None is without, got 0")
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"{NAME}: reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}"
        )
    if chunk is not None and (isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1):
        raise ValueError(f"{NAME}: chunk must be a positive number of words, got {chunk!r}")


def check_values(labels: Tensor, ignore_index: int, words: int) -> None:
    """Raises ``ValueError`` if a label is no word. On a device, this waits for it."""
    wrong = ((labels < 0) | (labels >= words)) & (labels != ignore_index)
    if bool(wrong.any()):
        value = int(labels[wrong][0])
        raise ValueError(
            f"{NAME}: labels must be in [0, {words}), as weight has {words} rows, or "
            f"ignore_index = {ignore_index}; got {value} and {int(wrong.sum()) - 1} more"
        )
