"""How launchers of elementwise kernels cut tensors of samples, tokens and channels into tiles."""

from typing import NamedTuple

import torch
from torch import Tensor

from diptych_kernels.launching import power_of_two


_ELEMENTS = 2048
_WAVE = 64 if torch.version.hip is not None else 32


class Tiling(NamedTuple):
    """How a sample of ``tokens channels`` is cut into tiles, of which one program has one.

    ``token_block`` and ``channel_block`` are powers of two; 8 elements for each thread, a 16-byte
    load of bfloat16.
    """

    tokens: int
    channels: int
    token_block: int
    channel_block: int

    @property
    def channel_tiles(self) -> int:
        """Tiles that share tokens."""
        return -(-self.channels // self.channel_block)

    @property
    def tiles(self) -> int:
        """Of a sample."""
        return -(-self.tokens // self.token_block) * self.channel_tiles

    @property
    def numbers(self) -> tuple[int, ...]:
        """What :func:`diptych_kernels.triton_tiles.tile` takes, in the order of every kernel."""
        return self.tiles, self.channel_tiles, *self

    def warps(self, wave: int = _WAVE) -> int:
        """For a device that runs ``wave`` threads in lockstep."""
        return max(1, self.token_block * self.channel_block // 8 // wave)


def tiling_for(tokens: int, channels: int) -> Tiling:
    """The launch table: as many channels as a tile holds, then as many tokens."""
    channel_block = min(power_of_two(channels), _ELEMENTS)
    token_block = min(power_of_two(tokens), _ELEMENTS // channel_block)
    return Tiling(tokens, channels, token_block, channel_block)


def cut(
    shape: torch.Size, tensors: tuple[Tensor, ...], whole: bool = True
) -> tuple[Tiling, tuple[int, ...]]:
    """A tiling and all strides; samples that are contiguous everywhere count as one long token."""
    _, tokens, channels = shape
    length = tokens * channels
    if whole and length < 2**31 and all(tensor.is_contiguous() for tensor in tensors):
        return tiling_for(1, length), (length, length, 1) * len(tensors)
    strides = tuple(stride for tensor in tensors for stride in tensor.stride())
    return tiling_for(tokens, channels), strides
