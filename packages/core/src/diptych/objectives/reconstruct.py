"""The decoder's loss on true features."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from diptych.data.preprocess import signed_pixels
from diptych.errors import RequestError
from diptych.model import UnifiedModel
from diptych.objectives.batch import Batch


class ReconstructObjective(nn.Module):
    """Features of real pictures -> the decoder's own loss against their pixels."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    @torch.no_grad()
    def prepare(self, model: UnifiedModel) -> None:
        """Show the decoder the features of a black picture, as the encoder makes them now."""
        model.show_black()

    def forward(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        """Compute the loss over the samples that have a picture: -> {"reconstruct": scalar}, or nothing.

        Raises:
            RequestError: if the model has no decoder of its own to train.
        """
        model = batch.model
        if model.spec.decode is None or model.spec.decode.decoder is None:
            raise RequestError("`reconstruct` trains `decode.decoder`, which this model has not; see `autoencode`")
        model.need("decode")
        if not batch.pictured:
            return {}
        count = max(1, round(len(batch.pictures) * self.share))
        features = batch.features(model.spec.decoded)[:count]
        side = getattr(model.spec.decode.decoder, "image_size")  # noqa: B009  # a part-specific field
        pixels = signed_pixels(batch.pictures[:count], (side, side)).to(features)
        return {"reconstruct": model.parts.decoder.loss(features, pixels, generator).mean()}
