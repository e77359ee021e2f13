"""The public function ``qk_norm_rope`` and its implementations in order of preference."""

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor

from diptych_kernels.choice import requested
from diptych_kernels.dispatch import Operation, register
from diptych_kernels.implementations import usual
from diptych_kernels.ops.qk_norm_rope.arguments import MOST_ELEMENTS, NAME, check
from diptych_kernels.ops.qk_norm_rope.reference import qk_norm_rope_reference
from diptych_kernels.situation import Situation


@overload
def qk_norm_rope(
    q: Tensor,
    k: Tensor,
    cos: Tensor,
    sin: Tensor,
    *,
    q_weight: Tensor | None = ...,
    k_weight: Tensor | None = ...,
    q_bias: Tensor | None = ...,
    k_bias: Tensor | None = ...,
    norm: str | None = ...,
    pairs: str = ...,
    eps: float = ...,
    implementation: str | None = ...,
) -> tuple[Tensor, Tensor]: ...
@overload
def qk_norm_rope(
    q: Tensor,
    k: None,
    cos: Tensor,
    sin: Tensor,
    *,
    q_weight: Tensor | None = ...,
    k_weight: Tensor | None = ...,
    q_bias: Tensor | None = ...,
    k_bias: Tensor | None = ...,
    norm: str | None = ...,
    pairs: str = ...,
    eps: float = ...,
    implementation: str | None = ...,
) -> tuple[Tensor, None]: ...
def qk_norm_rope(
    q: Tensor,
    k: Tensor | None,
    cos: Tensor,
    sin: Tensor,
    *,
    q_weight: Tensor | None = None,
    k_weight: Tensor | None = None,
    q_bias: Tensor | None = None,
    k_bias: Tensor | None = None,
    norm: str | None = None,
    pairs: str = "halves",
    eps: float = 1e-6,
    implementation: str | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Normalises queries and keys and turns pairs of their channels by position (RoPE).

    The exact definition, with dtypes and rounding, is the docstring of
    :func:`diptych_kernels.ops.qk_norm_rope.reference.qk_norm_rope_reference`.

    Args:
        q: Queries, ``b n h d``; d is even.
        k: Keys of the same tokens, ``b n g d``, or None (cross-attention turns queries alone).
        cos: Cosine of each pair's angle, ``n p`` or ``b n p`` with ``p = d/2``. No gradient.
        sin: Its sine, of the same shape.
        q_weight: Weight of the norm on q: ``d`` if it is of each head, ``(h d)`` if of the row.
        k_weight: That of k: ``d`` or ``(g d)``.
        q_bias: Bias of the norm over the row, ``(h d)``.
        k_bias: That of k, ``(g d)``.
        norm: ``head``, an RMSNorm of each head (Qwen3); ``row``, a LayerNorm of all heads of a
            token together (Lumina-Next); None, rotation alone (Llama, Qwen2).
        pairs: ``halves``, channels ``i`` and ``i + d/2``; ``adjacent``, ``2 i`` and ``2 i + 1``.
        eps: Added to the mean square or to the variance.
        implementation: ``reference``, ``compile`` or ``triton``; None leaves it to
            :func:`diptych_kernels.use`, the environment, and then what fits.

    Returns:
        q and k, turned, of the shapes and dtypes that came; None for k if it is None.

    Raises:
        TypeError: If an argument is missing, no tensor or of a dtype that is not supported.
        ValueError: If a shape, a device or a name does not fit, or the table requires a gradient.
        ImplementationUnavailableError: If the implementation asked for cannot run here.
    """
    check(q, k, cos, sin, q_weight, k_weight, q_bias, k_bias, norm, pairs, eps)
    tensors = (q, k, cos, sin, q_weight, k_weight, q_bias, k_bias)
    held = None if torch.compiler.is_compiling() else _held(q, k, norm)
    situation = Situation.of(*tensors, width=held)
    run = OPERATION.resolve(requested(implementation), situation)
    turned: tuple[Tensor, Tensor | None] = run(*tensors, norm, pairs, float(eps))
    return turned


def _held(q: Tensor, k: Tensor | None, norm: str | None) -> int:
    """Elements, filled up to powers of two, that one program must hold: a head or a token."""
    width = 1 << (q.shape[-1] - 1).bit_length() if q.shape[-1] else 0
    if norm != "row":
        return width
    heads = max(q.shape[2], 0 if k is None else k.shape[2])
    return width << (heads - 1).bit_length() if heads else 0


def _load_triton() -> Callable[..., Any]:
    from diptych_kernels.ops.qk_norm_rope.triton import qk_norm_rope_triton

    return qk_norm_rope_triton


def _row_too_long(situation: Situation) -> str | None:
    if situation.width is not None and situation.width > MOST_ELEMENTS:
        return (
            f"what is normalised together, {situation.width} elements with heads and channels "
            f"filled up to powers of two, is longer than the kernels' {MOST_ELEMENTS}"
        )
    return None


OPERATION = register(
    Operation(NAME, usual(qk_norm_rope_reference, _load_triton, limit=_row_too_long))
)
