"""The public function ``nearest_code`` and its implementations in order of preference."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from diptych_kernels.choice import requested
from diptych_kernels.dispatch import Operation, register
from diptych_kernels.implementations import usual
from diptych_kernels.ops.nearest_code.arguments import NAME, check
from diptych_kernels.ops.nearest_code.reference import nearest_code_reference
from diptych_kernels.situation import Situation


def nearest_code(
    x: Tensor,
    codebook: Tensor,
    *,
    metric: str = "euclidean",
    return_distances: bool = False,
    implementation: str | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Finds the nearest code of a codebook for each vector.

        euclidean   arg min_k |x - c_k|^2            cosine   arg max_k cos(x, c_k)

    The exact definition, with ties, zero vectors and NaN, is the docstring of
    :func:`diptych_kernels.ops.nearest_code.reference.nearest_code_reference`.

    Args:
        x: Vectors, ``... d``.
        codebook: Codes, ``k d``, at least one.
        metric: ``euclidean`` or ``cosine``.
        return_distances: Whether to return the distances too: the squared Euclidean one, or one
            minus the cosine.
        implementation: ``reference``, ``compile`` or ``triton``; None leaves it to
            :func:`diptych_kernels.use`, the environment, and then what fits.

    Returns:
        Indices ``...``, int64; with ``return_distances`` also the distances ``...``, float32
        (float64 if an argument is). Neither has a gradient.

    Raises:
        TypeError: If an argument is no tensor or of a dtype that is not supported.
        ValueError: If a shape, a device or the metric does not fit.
        ImplementationUnavailableError: If the implementation asked for cannot run here.
    """
    check(x, codebook, metric)
    situation = Situation.of(x, codebook, width=x.shape[-1])
    run = OPERATION.resolve(requested(implementation), situation)
    shape = x.shape[:-1]
    if x.dim() != 2:
        x = x.reshape(shape.numel(), x.shape[-1])
    indices, distances = run(x, codebook, metric, return_distances)
    if not return_distances:
        return indices.reshape(shape)
    return indices.reshape(shape), distances.reshape(shape)


def _load_triton() -> Callable[..., Any]:
    from diptych_kernels.ops.nearest_code.triton import nearest_code_triton

    return nearest_code_triton


# Inductor would keep the whole matrix of distances.
OPERATION = register(Operation(NAME, usual(nearest_code_reference, _load_triton, fuses=False)))
