"""Images of channels <-> tokens of square patches."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor


def patchify(x: Tensor, size: int) -> Tensor:
    """Cut into patches: `b c (h p) (w q) -> b (h w) (c p q)`, with p = q = size."""
    if size == 1:
        return x.flatten(2).transpose(1, 2)
    return rearrange(x, "b c (h p) (w q) -> b (h w) (c p q)", p=size, q=size)


def unpatchify(x: Tensor, size: int, height: int) -> Tensor:
    """Put patches back: `b (h w) (p q c) -> b c (h p) (w q)`, with p = q = size.

    The channels come last here and first in `patchify`, as in DiT (arXiv 2212.09748) and Lumina.

    Args:
        x: tokens.
        size: side of a patch.
        height: rows of patches, h.
    """
    return rearrange(x, "b (h w) (p q c) -> b c (h p) (w q)", h=height, p=size, q=size)
