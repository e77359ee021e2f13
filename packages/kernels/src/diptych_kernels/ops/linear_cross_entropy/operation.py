"""The public function ``linear_cross_entropy`` and its implementations in order of preference."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from diptych_kernels.choice import requested
from diptych_kernels.compiled import compiled
from diptych_kernels.dispatch import Operation, register
from diptych_kernels.implementations import anywhere, by_compiling, by_triton
from diptych_kernels.ops.linear_cross_entropy.arguments import (
    NAME,
    check,
    check_numbers,
    check_values,
)
from diptych_kernels.ops.linear_cross_entropy.reference import linear_cross_entropy_reference
from diptych_kernels.situation import Situation


def linear_cross_entropy(
    x: Tensor,
    weight: Tensor,
    labels: Tensor,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    soft_cap: float | None = None,
    reduction: str = "mean",
    chunk: int | None = None,
    implementation: str | None = None,
) -> Tensor:
    """Computes the cross-entropy of ``x @ weight.T`` without ever holding all of the logits.

    The exact definition is the docstring of
    :func:`diptych_kernels.ops.linear_cross_entropy.reference.linear_cross_entropy_reference`.
    In chunks of the vocabulary (``triton``, and ``chunked`` on any device), rows to be ignored
    are dropped before the matrix product. That waits for the device once forward and once
    backward, and so does the check of the labels: a CUDA graph cannot hold this operation.

    Args:
        x: Last states, ``... d``.
        weight: Output matrix, ``v d``.
        labels: Words, ``...``, int64 or int32, each in [0, v) or ``ignore_index``.
        ignore_index: Label of rows that do not count.
        label_smoothing: Share of the target spread evenly over all words, in [0, 1].
        z_loss: Weight of the squared log of the normaliser.
        soft_cap: Bound of the logits, approached by a tanh; None is without.
        reduction: ``mean`` over the rows that count (NaN if there is none), ``sum`` or ``none``.
        chunk: Words for which there are logits at a time; None for as many as fit in 1 GB on a
            GPU, 16 MB on a CPU.
        implementation: ``reference``, ``compile``, ``triton`` or ``chunked``; None leaves it to
            :func:`diptych_kernels.use`, the environment, and then what fits.

    Returns:
        A number, or with ``none`` ``...``, 0 where ignored; float32 (float64 if an argument is).

    Raises:
        TypeError: If an argument is no tensor or of a dtype that is not supported.
        ValueError: If a shape, a device, a label or an option does not fit.
        ImplementationUnavailableError: If the implementation asked for cannot run here.
    """
    check(x, weight, labels, ignore_index)
    check_numbers(label_smoothing, z_loss, soft_cap, reduction, chunk)
    if not torch.compiler.is_compiling():
        check_values(labels, ignore_index, weight.shape[0])
    situation = Situation.of(x, weight, width=weight.shape[0])
    run = OPERATION.resolve(requested(implementation), situation)
    rows, row_labels = x.reshape(labels.numel(), x.shape[-1]), labels.reshape(labels.numel())
    options = (ignore_index, float(label_smoothing), float(z_loss), float(soft_cap or 0))
    loss: Tensor = run(rows, weight, row_labels, *options, chunk or 0)
    if reduction == "none":
        return loss.reshape(labels.shape)
    return loss.sum() if reduction == "sum" else loss.sum() / (labels != ignore_index).sum()


def _reference(*arguments: Any) -> Tensor:
    return linear_cross_entropy_reference(*arguments[:-1])


def _load_compiled() -> Callable[..., Any]:
    run = compiled(linear_cross_entropy_reference)
    return lambda *arguments: run(*arguments[:-1])


def _load(fused: bool) -> Callable[..., Any]:
    from diptych_kernels.ops.linear_cross_entropy.chunked import in_chunks

    return in_chunks(fused)


# Chunks come first inside torch.compile too: Inductor would hold all of the logits.
OPERATION = register(
    Operation(
        NAME,
        (
            by_triton(lambda: _load(True), fuses=False),
            anywhere("chunked", lambda: _load(False)),
            by_compiling(_load_compiled, "it holds all of the logits; ask for it by name"),
            anywhere("reference", lambda: _reference),
        ),
    )
)
