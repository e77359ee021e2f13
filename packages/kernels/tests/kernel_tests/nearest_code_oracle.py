"""Judges ``nearest_code`` in float64 on the rounded inputs: no code is nearer than the chosen one.

Not by comparing indices: which of two codes wins that float32 cannot tell apart is not defined.
"""

import math

import torch
from torch import Tensor

from kernel_tests.nearest_code_cases import SearchCase
from kernel_tests.tolerance import SLACK, assert_close


def judge(case: SearchCase, indices: Tensor, distances: Tensor) -> None:
    """Checks that the chosen score is least within float32's error, and its distance."""
    x, codes = case.x.double(), case.codebook.double()
    assert indices.shape == distances.shape == x.shape[:1] and indices.dtype == torch.int64
    assert ((indices >= 0) & (indices < len(codes))).all(), "an index beyond the codebook"
    score, magnitude = _scores(x, codes, case.metric)
    width = x.shape[1]
    slack = SLACK * math.sqrt(max(1, width)) * 2.0**-23 * magnitude
    chosen = indices[:, None]
    excess = (score - slack).gather(1, chosen)[:, 0] - (score + slack).amin(1)
    assert (excess <= 0).all(), (
        f"row {int(excess.argmax())}: code {int(indices[excess.argmax()])} is not the nearest, "
        f"another scores less by {excess.max().item():.3g} more than float32's error"
    )

    near = codes[indices]
    if case.metric == "euclidean":
        exact = (x - near).square().sum(1)
        assert_close("distances", distances, exact, exact, width)
    else:
        r = _reciprocal(x) * _reciprocal(near)
        exact, terms = 1 - (x * near).sum(1) * r, 1 + (x * near).abs().sum(1) * r
        assert_close("distances", distances, exact, terms, width)


def _scores(x: Tensor, codes: Tensor, metric: str) -> tuple[Tensor, Tensor]:
    """Scores as defined, and the sums of the absolute values of their terms; ``n k``."""
    product, terms = x @ codes.mT, x.abs() @ codes.abs().mT
    if metric == "cosine":
        return -product * _reciprocal(codes), terms * _reciprocal(codes)
    half = codes.square().sum(1) / 2
    return half - product, half + terms


def _reciprocal(a: Tensor) -> Tensor:
    square = a.square().sum(1)
    return torch.where(square == 0, 0.0, square.rsqrt())
