"""Cross-entropy of words, with label smoothing and z-loss."""

from __future__ import annotations

import torch
from torch import Tensor


IGNORED = -100
"""The label of a position without a word to predict."""


def cross_entropy(
    logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0, z_loss: float = 0.0
) -> Tensor:
    """Compute -log softmax(logits)[label] for each position, in float32 or higher.

    Args:
        logits: `n v`.
        labels: `n`, in [0, v).
        label_smoothing: share of the target distribution spread evenly over all words (arXiv
            1512.00567, sec. 7).
        z_loss: weight of the squared log-normaliser (PaLM, arXiv 2204.02311, sec. 5).

    Returns:
        `n`.
    """
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    normaliser = logits.logsumexp(dim=-1)
    loss = normaliser - logits.gather(-1, labels[:, None])[:, 0]
    if label_smoothing:
        spread = normaliser - logits.mean(dim=-1)
        loss = (1 - label_smoothing) * loss + label_smoothing * spread
    if z_loss:
        loss = loss + z_loss * normaliser.square()
    return loss
