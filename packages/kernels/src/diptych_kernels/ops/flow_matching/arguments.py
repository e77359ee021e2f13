"""What ``flow_interpolate`` and ``flow_matching_loss`` accept."""

import torch
from torch import Tensor

from diptych_kernels import checks


INTERPOLATE, LOSS = "flow_interpolate", "flow_matching_loss"


def check_interpolate(x: Tensor, noise: Tensor, t: Tensor) -> None:
    """Raises ``TypeError`` or ``ValueError`` naming the argument, the expected and the given."""
    _check_data(INTERPOLATE, "x", x, (("noise", noise),))
    _check_samples(INTERPOLATE, "t", t, "x", x)
    if t.requires_grad:
        raise ValueError(f"{INTERPOLATE}: t is constant and gets no gradient: detach it")


def check_loss(
    prediction: Tensor, x: Tensor, noise: Tensor, weight: Tensor | None, mask: Tensor | None
) -> None:
    """Raises ``TypeError`` or ``ValueError`` naming the argument, the expected and the given."""
    _check_data(LOSS, "prediction", prediction, (("x", x), ("noise", noise)))
    if weight is not None:
        _check_samples(LOSS, "weight", weight, "prediction", prediction)
    if mask is None:
        return
    if not isinstance(mask, Tensor):
        raise TypeError(f"{LOSS}: mask must be a tensor, got {type(mask).__name__}")
    if mask.dtype != torch.bool:
        raise TypeError(f"{LOSS}: mask must be bool (True = real token), got {mask.dtype}")
    like = f"prediction is {list(prediction.shape)}"
    checks.shape(LOSS, "mask", mask, "b ...", prediction.shape[:-1], like)
    checks.same_device(LOSS, "mask", mask, "prediction", prediction.device)


def _check_data(
    operation: str, first: str, value: Tensor, others: tuple[tuple[str, Tensor], ...]
) -> None:
    checks.floating_tensor(operation, first, value)
    if value.dim() < 2:
        raise ValueError(f"{operation}: {first} must have shape 'b ... c', got {list(value.shape)}")
    for argument, other in others:
        checks.floating_tensor(operation, argument, other)
        like = f"{first} is {list(value.shape)}"
        checks.shape(operation, argument, other, "b ... c", value.shape, like)
        checks.same_device(operation, argument, other, first, value.device)


def _check_samples(operation: str, argument: str, value: Tensor, like: str, data: Tensor) -> None:
    checks.floating_tensor(operation, argument, value)
    from_shape = f"{like} is {list(data.shape)}"
    checks.shape(operation, argument, value, "b", data.shape[:1], from_shape)
    checks.same_device(operation, argument, value, like, data.device)
