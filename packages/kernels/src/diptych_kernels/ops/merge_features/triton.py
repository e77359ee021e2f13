# mypy: disable-error-code="no-untyped-call,untyped-decorator"
"""The Triton implementation: its registration with torch, its autograd, its function."""

from typing import Any

import torch
from torch import Tensor

from diptych_kernels.ops.merge_features.launch import launch_backward, launch_merge
from diptych_kernels.registration import op_or_launcher, refuse_second_derivative


_LIBRARY = torch.library.Library("diptych_kernels", "FRAGMENT")
_LIBRARY.define("merge_features_forward(Tensor embeds, Tensor features, Tensor spans) -> Tensor")
_LIBRARY.define(
    "merge_features_backward(Tensor grad, Tensor spans, SymInt tokens, ScalarType dtype) "
    "-> (Tensor, Tensor)"
)
for _key in ("CUDA", "CPU"):  # on a CPU the launchers work under TRITON_INTERPRET=1 alone
    _LIBRARY.impl("merge_features_forward", launch_merge, _key)
    _LIBRARY.impl("merge_features_backward", launch_backward, _key)


@torch.library.register_fake("diptych_kernels::merge_features_forward", lib=_LIBRARY)
def _forward_fake(embeds: Tensor, features: Tensor, spans: Tensor) -> Tensor:
    return embeds.new_empty(embeds.shape)


@torch.library.register_fake("diptych_kernels::merge_features_backward", lib=_LIBRARY)
def _backward_fake(
    grad: Tensor, spans: Tensor, tokens: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    return grad.new_empty(grad.shape), grad.new_empty((tokens, grad.shape[2]), dtype=dtype)


class _MergeFeatures(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, embeds: Tensor, features: Tensor, spans: Tensor) -> Tensor:
        """Keeps the spans alone."""
        ctx.save_for_backward(spans)
        ctx.tokens, ctx.dtype = features.shape[0], features.dtype
        run = op_or_launcher("merge_features_forward", launch_merge)
        return run(embeds, features, spans)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """Both gradients, new tensors; linear in ``grad``, but not differentiable again."""
        refuse_second_derivative("merge_features")
        (spans,) = ctx.saved_tensors
        run = op_or_launcher("merge_features_backward", launch_backward)
        grad_embeds, grad_features = run(grad, spans, ctx.tokens, ctx.dtype)
        return grad_embeds, grad_features, None


def merge_features_triton(embeds: Tensor, features: Tensor, spans: Tensor) -> Tensor:
    """As the reference, in one launch forward and two backward. Differentiable once."""
    return _MergeFeatures.apply(embeds, features, spans)  # type: ignore[no-any-return]
