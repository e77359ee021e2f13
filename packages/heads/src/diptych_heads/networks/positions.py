"""Where a token stands on the grid: rotations of pairs (RoPE) and sine-cosine embeddings."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def rope_table(
    height: int, width: int, head_width: int, *, theta: float = 1e4, device: torch.device
) -> Tensor:
    """Compute the 2-D rotation table of Lumina-Next.

    The angles of a token at (row, column) interleave both axes: row * f_0, column * f_0, row * f_1,
    ..., with f_i = theta^(-4 i / head_width) (Su et al., arXiv 2104.09864, on each axis with half
    of the pairs).

    Returns:
        Cosines and sines `2 (height width) head_width/2`, float32.
    """
    pairs = head_width // 4
    steps = torch.arange(pairs, dtype=torch.float64, device="cpu") / pairs
    frequencies = (theta**-steps).float().to(device)
    rows = torch.arange(height, dtype=torch.float32, device=device)[:, None, None] * frequencies
    columns = torch.arange(width, dtype=torch.float32, device=device)[None, :, None] * frequencies
    shape = (height, width, pairs)
    angles = torch.stack([rows.expand(shape), columns.expand(shape)], dim=-1).reshape(
        height * width, 2 * pairs
    )
    return torch.stack([angles.cos(), angles.sin()])


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Turn adjacent pairs of channels by the angles of each token, in float32 or higher.

    As complex numbers this is one pass over x, on a CPU a twelfth of the time of the real formula;
    a compiler, which fuses the real one and knows no complex numbers, is given that.

    Args:
        x: queries or keys `b n heads d`.
        table: cosines and sines `2 n d/2`.

    Returns:
        `b n heads d`, in the dtype of x.
    """
    wide = x if x.dtype == torch.float64 else x.float()
    cos, sin = table[:, :, None].to(wide.dtype)
    pairs = wide.unflatten(-1, (-1, 2))
    if torch.compiler.is_compiling():
        even, odd = pairs.unbind(-1)
        turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    else:
        turned = torch.view_as_real(torch.view_as_complex(pairs) * torch.complex(cos, sin))
    return turned.flatten(-2).to(x.dtype)


def sin_cos_positions(
    height: int, width: int, size: int, *, device: torch.device | None = None
) -> Tensor:
    """Compute fixed 2-D sine-cosine embeddings (MAE, DiT): rows first, then columns.

    Grid coordinates are spread to a range of 16, so that neighbours on a small grid differ as
    clearly as on the 16 x 16 grid that this form was made for. Entries lie in [-1, 1], their
    standard deviation is about 0.7.

    Returns:
        `(height width) size`, float32. `size` must be a multiple of 4.
    """
    quarter = size // 4
    frequencies = 1e4 ** -(torch.arange(quarter, dtype=torch.float32, device=device) / quarter)

    def axis(count: int) -> Tensor:
        places = torch.arange(count, dtype=torch.float32, device=device) * (16 / count)
        angles = places[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    rows = axis(height)[:, None].expand(height, width, -1)
    columns = axis(width)[None].expand(height, width, -1)
    return torch.cat([rows, columns], dim=-1).flatten(0, 1)


def sinusoid_frequencies(size: int, *, period: float = 1e4, device: torch.device) -> Tensor:
    """Compute the `size / 2` frequencies period^(-2 i / size) of `sinusoid`.

    The exponents are float32, as in DDPM and its descendants; their exponentials are taken in
    float64 and rounded, so that every machine gets the same ones (float32 `exp` differs between
    vector units, and times reach 1000).

    Returns:
        `size/2`, float32.
    """
    half = size // 2
    steps = torch.arange(half, dtype=torch.float32, device="cpu")
    return (-math.log(period) * steps / half).double().exp().float().to(device)


def sinusoid(values: Tensor, frequencies: Tensor) -> Tensor:
    """Embed numbers as cosines, then sines (Vaswani et al., arXiv 1706.03762), computed in float32.

    Args:
        values: `b`, any range.
        frequencies: `f`.

    Returns:
        `b (2 f)`, float32.
    """
    angles = values.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
