"""Launchers of the ``merge_features`` kernels: allocation, grid and launch table.

Features are ``t d`` here, spans are on the device, and arguments have been checked.
"""

import torch
from torch import Tensor

from diptych_kernels.launching import on_device, power_of_two
from diptych_kernels.ops.merge_features.arguments import MOST_SPANS, NAME
from diptych_kernels.ops.merge_features.kernels import gather_kernel, merge_kernel


# The launch table: 8 elements for each thread, a 16-byte load of bfloat16.
BLOCK, WARPS = 1024, 4


def span_block(spans: int) -> int:
    """All spans of a batch, in one block."""
    if spans > MOST_SPANS:
        raise ValueError(
            f"{NAME}: the kernels take up to {MOST_SPANS} spans, got {spans}; use "
            "implementation='reference' or 'compile'"
        )
    return power_of_two(spans)


def launch_merge(embeds: Tensor, features: Tensor, spans: Tensor) -> Tensor:
    """Returns the merged embeddings, contiguous."""
    return _merge(embeds, features, spans, features.shape[0])


def launch_backward(
    grad: Tensor, spans: Tensor, tokens: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Returns the gradients of embeds ``b s d`` and of features ``t d``, that in ``dtype``."""
    batch, length, width = grad.shape
    gathered = torch.empty((tokens, width), dtype=dtype, device=grad.device)
    if gathered.numel() > 0:
        with on_device(grad):
            gather_kernel[(tokens,)](
                grad, spans, gathered, *grad.stride(), *spans.stride(),
                batch, length, width, spans.shape[0],
                BLOCK_SPANS=span_block(spans.shape[0]), BLOCK=BLOCK, num_warps=WARPS,
            )  # fmt: skip
    return _merge(grad, None, spans, tokens), gathered


def _merge(embeds: Tensor, features: Tensor | None, spans: Tensor, tokens: int) -> Tensor:
    batch, length, width = embeds.shape
    out = torch.empty((batch, length, width), dtype=embeds.dtype, device=embeds.device)
    if out.numel() == 0:
        return out
    with on_device(embeds):
        merge_kernel[(batch * length,)](
            embeds, features, spans, out, *embeds.stride(),
            *((0, 0) if features is None else features.stride()), *spans.stride(),
            length, width, tokens, spans.shape[0],
            BLOCK_SPANS=span_block(spans.shape[0]), BLOCK=BLOCK, num_warps=WARPS,
        )  # fmt: skip
    return out
