"""``flow_interpolate`` and ``flow_matching_loss``, and their implementations in order."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from diptych_kernels.choice import requested
from diptych_kernels.compiled import compiled
from diptych_kernels.dispatch import Implementation, Operation, register
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
from diptych_kernels.situation import (
    Situation,
    compiler_cannot_run,
    interpreting,
    triton_cannot_run,
)


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
    run = _INTERPOLATE.resolve(requested(implementation), _situation(x, noise, t))
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
    tensors = [a for a in (prediction, x, noise, weight) if a is not None]
    run = _LOSS.resolve(requested(implementation), _situation(*tensors))
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


def _situation(*tensors: Tensor) -> Situation:
    return Situation(
        device=tensors[0].device,
        dtypes=frozenset([tensor.dtype for tensor in tensors]),
        compiling=torch.compiler.is_compiling(),
    )


def _load_interpolate() -> Callable[..., Any]:
    from diptych_kernels.ops.flow_matching.triton import flow_interpolate_triton

    return flow_interpolate_triton


def _load_loss() -> Callable[..., Any]:
    from diptych_kernels.ops.flow_matching.triton import flow_matching_loss_triton

    return flow_matching_loss_triton


def _triton_not_by_itself(situation: Situation) -> str | None:
    if interpreting():
        return "it would run in Triton's interpreter, which is for tests"
    if situation.compiling:
        return "inside torch.compile the reference fuses with its neighbours"
    return None


def _operation(
    name: str, reference: Callable[..., Any], load_triton: Callable[[], Callable[..., Any]]
) -> Operation:
    return register(
        Operation(
            name,
            (
                Implementation("triton", load_triton, triton_cannot_run, _triton_not_by_itself),
                Implementation(
                    "compile",
                    lambda: compiled(reference),
                    compiler_cannot_run,
                    lambda situation: "its first call compiles for seconds; ask for it by name",
                ),
                Implementation(
                    "reference",
                    lambda: reference,
                    lambda situation: None,
                    lambda situation: None,
                ),
            ),
        )
    )


_INTERPOLATE = _operation(INTERPOLATE, flow_interpolate_reference, _load_interpolate)
_LOSS = _operation(LOSS, flow_matching_loss_reference, _load_loss)
