"""Features of 8 pictures of 576 tokens in 8 sequences of 2048 of a 7 B language model."""

import torch
from torch import Tensor

from byte_cases.case import Case, draw
from diptych_kernels import merge_features
from diptych_kernels.ops.merge_features import triton  # noqa: F401


BATCH, LENGTH, PICTURE, WIDTH = 8, 2048, 576, 3584
_ops = torch.ops.diptych_kernels


def _eager(embeds: Tensor, features: Tensor, spans: Tensor) -> tuple[Tensor, ...]:
    """As diptych's ``Sequences.merge``: an ``index_put``, which copies embeds first."""
    positions = spans[:, 1:2] + torch.arange(PICTURE, device=spans.device)
    rows = spans[:, :1].expand(BATCH, PICTURE)
    return (embeds.index_put((rows, positions), features.view(BATCH, PICTURE, WIDTH)),)


def _fused(embeds: Tensor, features: Tensor, spans: Tensor) -> tuple[Tensor, ...]:
    return (_ops.merge_features_forward(embeds, features, spans),)


def _backward(embeds: Tensor, features: Tensor, spans: Tensor) -> object:
    return _ops.merge_features_backward(embeds, spans, features.shape[0], features.dtype)


def _call(name: str, embeds: Tensor, features: Tensor, spans: Tensor) -> tuple[Tensor, ...]:
    return (merge_features(embeds, features, spans, implementation=name),)


def _inputs() -> list[Tensor]:
    spans = torch.stack([torch.arange(BATCH), torch.full((BATCH,), 32),
                         torch.full((BATCH,), PICTURE)], 1)  # fmt: skip
    return [draw(BATCH, LENGTH, WIDTH), draw(BATCH * PICTURE, WIDTH), spans]


def cases() -> list[Case]:
    """One; the fused forward counts embeds whole, though it reads only what is not covered."""
    return [Case("b 8 s 2048 d 3584, 8 x 576", _inputs, _eager, _fused, _backward, call=_call)]
