"""``flow_interpolate`` and ``flow_matching_loss``, and their implementations in order."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from diptych_kernels.choice import requested
from diptych_kernels.dispatch import Operation, register
from diptych_kernels.implementations import usual
from diptych_kernels.ops.flow_matching.arguments import (
    INTERPOLATE,
    LOSS,
    check_interpolate,
    check_loss,
)
from diptych_kernels.ops.flow_matching.reference import (
    flow_interpolate_reference,
    flow_matching_loss_reference,
)
from diptych_kernels.situation import Situation


def flow_interpolate(
    x: Tensor, noise: Tensor, t: Tensor, *, implementation: str | None = None
) -> Tensor:
    """Goes a way t from data to noise: ``(1 - t) x + t noise``.

    The exact definition, with dtypes and rounding, is the docstring of
    :func:`diptych_kernels.ops.flow_matching.reference.flow_interpolate_reference`.

    Args:
        x: Data, ``b ... c``.
        noise: Of the same shape.
        t: A time for each sample, ``b``; 0 is data, 1 is noise. No gradient.
        implementation: ``reference``, ``compile`` or ``triton``; None leaves it to
            :func:`diptych_kernels.use`, the environment, and then what fits.

    Returns:
        The mixture, ``b ... c``, in the dtype of x.

    Raises:
        TypeError: If an argument is no tensor or of a dtype that is not supported.
        ValueError: If a shape or a device does not fit, or t requires a gradient.
        ImplementationUnavailableError: If the implementation asked for cannot run here.
    """
    check_interpolate(x, noise, t)
    run = _INTERPOLATE.resolve(requested(implementation), Situation.of(x, noise, t))
    out: Tensor = run(_rows(x), _rows(noise), t)
    return out.reshape(x.shape)


def flow_matching_loss(
    prediction: Tensor,
    x: Tensor,
    noise: Tensor,
    *,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    implementation: str | None = None,
) -> Tensor:
    """The weighted mean squared error of a predicted velocity to ``noise - x``, for each sample.

    The exact definition, with dtypes and rounding, is the docstring of
    :func:`diptych_kernels.ops.flow_matching.reference.flow_matching_loss_reference`. The Triton
    forward also keeps the errors, from which the backward is one multiplication.

    Args:
        prediction: Velocity from the network, ``b ... c``.
        x: Data, of the same shape.
        noise: Of the same shape.
        weight: For each sample, ``b``.
        mask: Real tokens, bool ``b ...``; what other tokens hold is never looked at.
        implementation: ``reference``, ``compile`` or ``triton``; None leaves it to
            :func:`diptych_kernels.use`, the environment, and then what fits.

    Returns:
        A loss for each sample, ``b``, float32 (float64 if any argument is).

    Raises:
        TypeError: If an argument is no tensor or of a dtype that is not supported.
        ValueError: If a shape or a device does not fit.
        ImplementationUnavailableError: If the implementation asked for cannot run here.
    """
    check_loss(prediction, x, noise, weight, mask)
    situation = Situation.of(prediction, x, noise, weight)
    run = _LOSS.resolve(requested(implementation), situation)
    if mask is not None:
        mask = mask.flatten(1) if mask.dim() > 1 else mask[:, None]
    loss: Tensor = run(_rows(prediction), _rows(x), _rows(noise), weight, mask)
    return loss


def _rows(a: Tensor) -> Tensor:
    """As ``b n c``."""
    if a.dim() == 3:
        return a
    tokens = 1
    for length in a.shape[1:-1]:
        tokens *= length
    return a.reshape(a.shape[0], tokens, a.shape[-1])


def _load_interpolate() -> Callable[..., Any]:
    from diptych_kernels.ops.flow_matching.triton import flow_interpolate_triton

    return flow_interpolate_triton


def _load_loss() -> Callable[..., Any]:
    from diptych_kernels.ops.flow_matching.triton import flow_matching_loss_triton

    return flow_matching_loss_triton


_INTERPOLATE = register(
    Operation(INTERPOLATE, usual(flow_interpolate_reference, _load_interpolate))
)
_LOSS = register(Operation(LOSS, usual(flow_matching_loss_reference, _load_loss)))
