"""The public function ``guided_step`` and its implementations in order of preference."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from diptych_kernels.choice import Request, requested
from diptych_kernels.compiled import compiled
from diptych_kernels.dispatch import Operation, register
from diptych_kernels.errors import ImplementationUnavailableError
from diptych_kernels.implementations import usual
from diptych_kernels.ops.guided_step.arguments import NAME, check
from diptych_kernels.ops.guided_step.reference import guided_step_reference
from diptych_kernels.situation import Situation


def guided_step(
    x: Tensor,
    conditional: Tensor,
    null: Tensor | None = None,
    *,
    dt: float | Tensor,
    scale: float | Tensor = 1.0,
    rescale: float = 0.0,
    before: Tensor | None = None,
    ratio: float | Tensor = 1.0,
    return_velocity: bool = False,
    implementation: str | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Guides a prediction of the velocity and follows it for one step of a sampler.

        v  = null + scale * (conditional - null), rescaled
        x' = x + dt * v                                    or Adams-Bashforth with ``before``

    The exact definition, with rescaling and dtypes, is the docstring of
    :func:`diptych_kernels.ops.guided_step.reference.guided_step_reference`.

    Args:
        x: State, ``b ...``, float32.
        conditional: Prediction with the condition, ``b ...``.
        null: Prediction without it, ``b ...``; None does not guide.
        dt: Length of the step; negative where time falls.
        scale: Of the guidance; 1, outside an interval say, is the conditional prediction itself.
        rescale: How far the standard deviation is brought back to the conditional's, in [0, 1].
        before: Velocity of the last step, ``b ...``, for Adams-Bashforth; None is Euler's method.
        ratio: This step's length over the last one's; used with ``before`` alone.
        return_velocity: Whether to return v too, which the next step takes as ``before``.
        implementation: ``reference``, ``compile`` or ``triton``; None leaves it to
            :func:`diptych_kernels.use`, the environment, and then what fits. Where a gradient is
            wanted, that is the reference.

    dt, scale and ratio may be tensors of one element on the device of x: a CUDA graph captured
    with them can be replayed for another step, and ``torch.compile`` compiles numbers in.

    Returns:
        The new state ``b ...``; with ``return_velocity`` also the velocity, ``b ...``; float32.

    Raises:
        TypeError: If an argument is no tensor or of a dtype that is not supported.
        ValueError: If a shape, a device or a number does not fit.
        ImplementationUnavailableError: If the implementation asked for cannot run here.
    """
    check(x, conditional, null, before, dt, scale, ratio, rescale)
    tensors = (x, conditional, null, before)
    request = _request(implementation, *tensors, dt, scale, ratio)
    run = OPERATION.resolve(request, Situation.of(*tensors))
    shape, flat = x.shape, (x.shape[0], math.prod(x.shape[1:]))
    x, conditional = x.reshape(flat), conditional.reshape(flat)
    null = None if null is None else null.reshape(flat)
    before = None if before is None else before.reshape(flat)
    out, velocity = run(
        x, conditional, null, before, dt, scale, ratio, float(rescale), return_velocity
    )
    return (out.reshape(shape), velocity.reshape(shape)) if return_velocity else out.reshape(shape)


def _request(implementation: str | None, *arguments: float | Tensor | None) -> Request:
    """Who asks for what, where a gradient is a voice of its own."""
    request = requested(implementation)
    tensors = [a for a in arguments if isinstance(a, Tensor)]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        if request.name == "triton":
            raise ImplementationUnavailableError(
                f"{NAME}: {request.by} asks for the implementation 'triton', which has no "
                "gradient, and an input requires one; use torch.no_grad(), or the implementation "
                "'reference'"
            )
        if request.name is None:
            return Request("reference", "an input that requires a gradient")
    return request


def _reference(
    x: Tensor, conditional: Tensor, null: Tensor | None, before: Tensor | None, *numbers: Any
) -> tuple[Tensor, Tensor]:
    return guided_step_reference(x, conditional, null, before, *numbers[:-1])


def _load_compiled() -> Callable[..., Any]:
    compiled_reference = compiled(guided_step_reference)

    def run(x: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
        *tensors, dt, scale, ratio, rescale, _ = others
        # A number would be compiled in, and the next step's would compile again.
        numbers = [a if isinstance(a, Tensor) else x.new_full((), a) for a in (dt, scale, ratio)]
        return compiled_reference(x, *tensors, *numbers, rescale)  # type: ignore[no-any-return]

    return run


def _load_triton() -> Callable[..., Any]:
    from diptych_kernels.ops.guided_step.triton import guided_step_triton

    return guided_step_triton


OPERATION = register(Operation(NAME, usual(_reference, _load_triton, load_compiled=_load_compiled)))
