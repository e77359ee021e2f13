# mypy: disable-error-code="no-untyped-call,untyped-decorator"
"""The implementations ``chunked`` and ``triton``: their registration with torch and autograd."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from diptych_kernels.ops.linear_cross_entropy import tiles
from diptych_kernels.registration import op_or_launcher, refuse_second_derivative


_OPTIONS = (
    "SymInt ignore_index, float label_smoothing, float z_loss, float soft_cap, SymInt chunk, "
    "bool fused"
)
_LIBRARY = torch.library.Library("diptych_kernels", "FRAGMENT")
_LIBRARY.define(
    f"linear_cross_entropy_forward(Tensor x, Tensor weight, Tensor labels, {_OPTIONS}) "
    "-> (Tensor, Tensor)"
)
_LIBRARY.define(
    "linear_cross_entropy_backward(Tensor grad, Tensor x, Tensor weight, Tensor labels, "
    f"Tensor lse, {_OPTIONS}, bool for_x, bool for_weight) -> (Tensor, Tensor)"
)
for _key in ("CUDA", "CPU"):
    _LIBRARY.impl("linear_cross_entropy_forward", tiles.forward, _key)
    _LIBRARY.impl("linear_cross_entropy_backward", tiles.backward, _key)


@torch.library.register_fake("diptych_kernels::linear_cross_entropy_forward", lib=_LIBRARY)
def _forward_fake(x: Tensor, weight: Tensor, labels: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    wide = torch.float64 if torch.float64 in (x.dtype, weight.dtype) else torch.float32
    return x.new_empty(x.shape[0], dtype=wide), x.new_empty(x.shape[0], dtype=wide)


@torch.library.register_fake("diptych_kernels::linear_cross_entropy_backward", lib=_LIBRARY)
def _backward_fake(
    grad: Tensor, x: Tensor, weight: Tensor, labels: Tensor, lse: Tensor, *options: Any
) -> tuple[Tensor, Tensor]:
    *_, for_x, for_weight = options
    return x.new_empty(x.shape if for_x else 0), weight.new_empty(weight.shape if for_weight else 0)


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, labels: Tensor, *options: Any) -> Tensor:
        """Keeps one number for each row beside the arguments."""
        run = op_or_launcher("linear_cross_entropy_forward", tiles.forward)
        loss, lse = run(x, weight, labels, *options)
        ctx.save_for_backward(x, weight, labels, lse)
        ctx.options = options
        return loss  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Computes only what is wanted; new tensors."""
        refuse_second_derivative("linear_cross_entropy", "in chunks there is")
        run = op_or_launcher("linear_cross_entropy_backward", tiles.backward)
        for_x, for_weight = ctx.needs_input_grad[:2]
        arguments: tuple[Any, ...] = grad, *ctx.saved_tensors, *ctx.options, for_x, for_weight
        grad_x, grad_weight = run(*arguments)
        found = (grad_x if for_x else None, grad_weight if for_weight else None)
        return (*found, *(None for _ in ctx.options), None)


def in_chunks(fused: bool) -> Callable[..., Tensor]:
    """As the reference, with a chunk as last argument: with Triton kernels, or torch's own."""

    def run(x: Tensor, weight: Tensor, labels: Tensor, *options: Any) -> Tensor:
        return _LinearCrossEntropy.apply(x, weight, labels, *options, fused)  # type: ignore[no-any-return]

    return run
