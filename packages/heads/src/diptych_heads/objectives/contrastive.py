"""Pictures and their texts, matched within a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from diptych.precision import without_autocast
from diptych_heads.objectives.contrastive_losses import matches
from diptych_heads.objectives.pooling import AttentionPooling, MeanPooling, feature_sizes


if TYPE_CHECKING:
    from diptych.model import UnifiedModel
    from diptych.objectives.batch import Batch

_LARGEST_SCALE = 100.0


class ContrastiveObjective(nn.Module):
    """Pooled features of pictures against the backbone's last states of their texts.

    Both are projected to one space and normalised there; a learned scale (and, for the sigmoid
    loss, a bias) turns cosines into logits. The pooling and the projections train with the stage
    and are not part of the model.
    """

    def __init__(
        self,
        encoder: str,
        width: int,
        pooling: Literal["attention", "mean", "flatten"],
        loss: Callable[[Tensor, Tensor], Tensor],
        *,
        scale: float,
        bias: float | None,
    ) -> None:
        """Set the loss, (logits, positives) -> `k`, and where scale and bias start."""
        super().__init__()
        self.encoder = encoder
        self.width = width
        self.pooling = pooling
        self.loss = loss
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = None if bias is None else nn.Parameter(torch.tensor(bias))

    def prepare(self, model: UnifiedModel) -> None:
        """Make pooling and projections in the widths of a model's encoder and backbone."""
        part = model.spec.vision[self.encoder]
        tokens, channels = feature_sizes(part)
        states = model.text_width
        if self.pooling == "flatten":
            self.pool: nn.Module = nn.Flatten(1)
        else:
            self.pool = {"attention": AttentionPooling, "mean": MeanPooling}[self.pooling](channels)
        pooled = tokens * channels if self.pooling == "flatten" else channels
        self.project_picture = nn.Linear(pooled, self.width, bias=False)
        self.project_text = nn.Linear(states, self.width, bias=False)

    def pictures(self, features: Tensor) -> Tensor:
        """Embed features `k n c`: -> unit vectors `k width`."""
        return functional.normalize(self.project_picture(self.pool(features)).float(), dim=-1)

    def texts(self, states: Tensor) -> Tensor:
        """Embed states `k d`: -> unit vectors `k width`."""
        return functional.normalize(self.project_text(states).float(), dim=-1)

    def logits(self, features: Tensor, states: Tensor) -> Tensor:
        """Compare features `k n c` with states `l d`: -> `k l`, float32.

        The product is kept out of a trainer's autocast: cosines of 8 bits, times a scale of up to
        100, are no logits.
        """
        scale = self.log_scale.float().exp().clamp(max=_LARGEST_SCALE)
        pictures, texts = self.pictures(features), self.texts(states)
        with without_autocast(pictures):
            cosines = pictures @ texts.T
        return scale * cosines if self.bias is None else scale * cosines + self.bias

    def forward(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        """Compute the loss over the pictures that have a text: -> {"contrastive": scalar}.

        Returns nothing where fewer than two pictures have one: there is nothing to tell apart.
        """
        rows, texts = batch.captioned()
        if len(rows) < 2:
            return {}
        features = batch.features(self.encoder)[batch.rows(rows)]
        logits = self.logits(features, batch.text_states(texts))
        return {"contrastive": self.loss(logits, matches(texts, device=logits.device)).mean()}
