"""Launchers of the ``nearest_code`` kernels: allocation, grid and launch table.

Rows are ``n d`` here, and arguments have been checked.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from diptych_kernels.launching import on_device, power_of_two
from diptych_kernels.ops.nearest_code.kernels import finish_kernel, search_kernel, terms_kernel


_PROGRAMS = 512  # fill a large device a few times over
_MOST_SHARES = 64


class Launch(NamedTuple):
    """Tile of ``search_kernel``: rows, codes, columns at a time, and warps."""

    rows: int
    codes: int
    columns: int
    warps: int


def launch_for(width: int, dtypes: frozenset[torch.dtype]) -> Launch:
    """The launch table. Exact float32 products run without matrix units, so their tile is small."""
    columns = 16 if width <= 16 else 32 if width <= 32 else 64
    if len(dtypes) > 1 or torch.float32 in dtypes:
        return Launch(64, 32, 16, 8)
    return Launch(128, 128, columns, 8)


class Split(NamedTuple):
    """The work of ``search_kernel``: programs along rows, shares of the codebook, codes in each."""

    row_blocks: int
    shares: int
    codes_each: int


def split_for(rows: int, codes: int, launch: Launch) -> Split:
    """Divides the codebook if the rows alone would leave a large device idle.

    It depends on shapes alone, so that a result is the same on every device.
    """
    row_blocks = -(-rows // launch.rows)
    code_blocks = -(-codes // launch.codes)
    wanted = max(1, min(_PROGRAMS // row_blocks, _MOST_SHARES, code_blocks))
    each = -(-code_blocks // wanted)
    return Split(row_blocks, -(-code_blocks // each), each * launch.codes)


def launch_nearest_code(
    x: Tensor, codebook: Tensor, cosine: bool, distances: bool
) -> tuple[Tensor, Tensor]:
    """Returns indices ``n`` and distances ``n`` (``0`` if not wanted)."""
    rows, width = x.shape
    codes = codebook.shape[0]
    chosen = torch.empty(rows, dtype=torch.int64, device=x.device)
    found = torch.empty(rows if distances else 0, dtype=torch.float32, device=x.device)
    if rows == 0:
        return chosen, found
    launch = launch_for(width, frozenset([x.dtype, codebook.dtype]))
    split = split_for(rows, codes, launch)
    shape = (split.shares, rows)
    scores = torch.empty(shape, dtype=torch.float32, device=x.device)
    indices = torch.empty(shape, dtype=torch.int32, device=x.device)
    terms = torch.empty(codes, dtype=torch.float32, device=x.device)
    with on_device(x):
        terms_kernel[(-(-codes // 32),)](
            codebook, terms, *codebook.stride(), codes, width,
            COSINE=cosine, BLOCK_CODES=32, BLOCK_D=64, num_warps=4,
        )  # fmt: skip
        search_kernel[(split.row_blocks * split.shares,)](
            x, codebook, terms, scores, indices, *x.stride(), *codebook.stride(),
            rows, codes, width, split.codes_each, split.row_blocks,
            COSINE=cosine, PRECISION="ieee", BLOCK_ROWS=launch.rows, BLOCK_CODES=launch.codes,
            BLOCK_D=launch.columns, num_warps=launch.warps,
        )  # fmt: skip
        finish_kernel[(-(-rows // 16),)](
            x, codebook, scores, indices, chosen, found if distances else None,
            *x.stride(), *codebook.stride(), rows, width, split.shares,
            COSINE=cosine, BLOCK_ROWS=16, BLOCK_SHARES=power_of_two(split.shares), BLOCK_D=64,
            num_warps=4,
        )  # fmt: skip
    return chosen, found
