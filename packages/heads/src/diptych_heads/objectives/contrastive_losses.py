"""How well pictures and texts of a batch are matched, as pure functions of their logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def matches(texts: Sequence[str], *, device: torch.device) -> Tensor:
    """Say which texts fit which pictures, bool `k k`: one's own, and others that read the same."""
    places = {text: index for index, text in enumerate(dict.fromkeys(texts))}
    ids = torch.tensor([places[text] for text in texts], device=device)
    return ids[:, None] == ids[None, :]


def softmax_loss(logits: Tensor, positives: Tensor) -> Tensor:
    """Compute the symmetric cross-entropy of CLIP (Radford et al., arXiv 2103.00020, fig. 3).

    Where several texts fit a picture, each is worth an equal share (SupCon, arXiv 2004.11362).

    Args:
        logits: `k k`, pictures by texts.
        positives: bool `k k`, symmetric, True on the diagonal.

    Returns:
        `k`: of each pair, the mean over both directions; log(k) for equal logits without repeats.
    """
    share = positives.to(logits.dtype) / positives.sum(dim=1, keepdim=True)
    by_picture = -(share * logits.log_softmax(dim=1)).sum(dim=1)
    by_text = -(share.T * logits.log_softmax(dim=0)).sum(dim=0)
    return (by_picture + by_text) / 2


def sigmoid_loss(logits: Tensor, positives: Tensor) -> Tensor:
    """Compute the pairwise loss of SigLIP (Zhai et al., arXiv 2303.15343, eq. 1).

    Args:
        logits: `k k`, pictures by texts.
        positives: bool `k k`, True on the diagonal.

    Returns:
        `k`: of each picture, the sum over all texts.
    """
    signs = torch.where(positives, 1.0, -1.0).to(logits.dtype)
    return -functional.logsigmoid(signs * logits).sum(dim=1)
