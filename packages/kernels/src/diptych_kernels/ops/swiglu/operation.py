"""The public function ``swiglu`` and its implementations in order of preference."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from diptych_kernels.choice import requested
from diptych_kernels.dispatch import Operation, register
from diptych_kernels.implementations import usual
from diptych_kernels.ops.swiglu.arguments import NAME, check
from diptych_kernels.ops.swiglu.reference import swiglu_reference
from diptych_kernels.situation import Situation


def swiglu(gate: Tensor, up: Tensor, *, implementation: str | None = None) -> Tensor:
    """Gates one projection with another: ``silu(gate) * up``; its backward recomputes the gate.

    The exact definition, with dtypes and rounding, is the docstring of
    :func:`diptych_kernels.ops.swiglu.reference.swiglu_reference`.

    Args:
        gate: ``... f``. Halves of one projection (``chunk(2, -1)``) are read where they lie.
        up: Of the same shape.
        implementation: ``reference``, ``compile`` or ``triton``; None leaves it to
            :func:`diptych_kernels.use`, the environment, and then what fits.

    Returns:
        The product, ``... f``, in the dtype of gate.

    Raises:
        TypeError: If an argument is no tensor or of a dtype that is not supported.
        ValueError: If a shape or a device does not fit.
        ImplementationUnavailableError: If the implementation asked for cannot run here.
    """
    check(gate, up)
    run = OPERATION.resolve(requested(implementation), Situation.of(gate, up))
    shape = gate.shape
    if len(shape) < 3:
        gate, up = (a.view((1,) * (3 - len(shape)) + shape) for a in (gate, up))
    elif len(shape) > 3:
        gate, up = gate.flatten(1, -2), up.flatten(1, -2)
    out: Tensor = run(gate, up)
    return out.reshape(shape)


def _load_triton() -> Callable[..., Any]:
    from diptych_kernels.ops.swiglu.triton import swiglu_triton

    return swiglu_triton


OPERATION = register(Operation(NAME, usual(swiglu_reference, _load_triton)))
