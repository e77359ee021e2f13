# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Tiles of elementwise Triton kernels: one program, some tokens and channels of one sample."""

import triton
import triton.language as tl


@triton.jit
def tile(tiles, channel_tiles, tokens, channels, TOKENS: tl.constexpr, CHANNELS: tl.constexpr):
    """The program's sample, its tokens and channels as int64, and where they exist."""
    b = (tl.program_id(0) // tiles).to(tl.int64)
    tile = tl.program_id(0) % tiles
    n = (tile // channel_tiles) * TOKENS + tl.arange(0, TOKENS)
    c = (tile % channel_tiles) * CHANNELS + tl.arange(0, CHANNELS)
    live = (n < tokens)[:, None] & (c < channels)[None, :]
    return b, n.to(tl.int64)[:, None], c.to(tl.int64)[None, :], live
