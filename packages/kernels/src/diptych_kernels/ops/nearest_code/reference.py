"""Definition and oracle of ``nearest_code``."""

import math

import torch
from torch import Tensor


ELEMENTS = 2**22  # of the distance matrix at a time


def nearest_code_reference(
    x: Tensor, codebook: Tensor, metric: str = "euclidean", distances: bool = False
) -> tuple[Tensor, Tensor]:
    """Finds for each row the code that scores least, and on request how far it is.

        euclidean   score = |c|^2 / 2 - x.c          distance = |x - c|^2
        cosine      score = -x.c r(c)                distance = 1 - x.c r(x) r(c)

    r(a) = 1 / |a|, and 0 where \\|a\\| = 0, so that a zero vector is at distance 1 from all others.
    Of equal scores, the one with the lowest index is taken. A score that is NaN counts as
    -infinity: a broken code or row shows up instead of being passed over.

    Shapes: x ``n d``; codebook ``k d`` with k > 0; indices ``n``; distances ``n``, or ``0`` if they
    are not wanted.

    Dtypes: float32, bfloat16, float16, float64, which may differ. Everything is computed in float32
    (float64 if either argument is); the indices are int64. Which of two codes is taken that
    float32 cannot tell apart depends on the implementation. There is no gradient: a loss takes
    that of ``codebook[indices]``.

    Source: VQ-VAE, arXiv 1711.00937, eq. 1; cosine: ViT-VQGAN, arXiv 2110.04627, section 3.1.
    """
    wide = torch.float64 if torch.float64 in (x.dtype, codebook.dtype) else torch.float32
    x, codes = x.detach().to(wide), codebook.detach().to(wide)
    squares = codes.square().sum(-1)
    cosine = metric == "cosine"

    def nearest(rows: Tensor) -> Tensor:
        product = rows @ codes.mT
        score = -product * _reciprocal(squares) if cosine else squares / 2 - product
        return score.nan_to_num(nan=-math.inf, posinf=math.inf, neginf=-math.inf).argmin(-1)

    # In parts, so that the matrix stays small; a graph is not cut up.
    each = max(1, ELEMENTS // len(codes))
    whole = torch.compiler.is_compiling() or len(x) <= each
    indices = nearest(x) if whole else torch.cat([nearest(rows) for rows in x.split(each)])
    if not distances:
        return indices, x.new_empty(0)
    chosen = codes[indices]
    if not cosine:
        return indices, (x - chosen).square().sum(-1)
    lengths = _reciprocal(x.square().sum(-1)) * _reciprocal(chosen.square().sum(-1))
    return indices, 1 - (x * chosen).sum(-1) * lengths


def _reciprocal(square: Tensor) -> Tensor:
    return torch.where(square == 0, 0.0, square.rsqrt())
