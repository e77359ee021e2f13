"""Encoded sequences -> tensors padded on the left, with picture features merged in at their spans."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from attrs import frozen
from torch import Tensor

from diptych.prompt import Encoded
from diptych.shown import Shown


@frozen(eq=False)
class Sequences:
    """A left-padded batch: ids [b s], mask [b s] (True = real), labels [b s] (-100 = not learned).

    `images` are (row, start, length) of the spans to fill with features, in the order of the pictures. Requests for
    pictures also hold the pictures that they start from: `shown`, and `tokens` [k n d], what the backbone reads of
    them; None where there are none, or it reads none.
    """

    ids: Tensor
    mask: Tensor
    labels: Tensor
    images: tuple[tuple[int, int, int], ...]
    queries: int
    shown: Shown | None = None
    tokens: Tensor | None = None

    @staticmethod
    def of(encoded: Sequence[Encoded], pad: int, device: torch.device) -> Sequences:
        """Pad sequences on the left to the longest. All must end with equally many queries."""
        longest = max(len(each.ids) for each in encoded)
        ids = torch.full((len(encoded), longest), pad)
        mask = torch.zeros(len(encoded), longest, dtype=torch.bool)
        labels = torch.full((len(encoded), longest), -100)
        images = []
        for row, each in enumerate(encoded):
            shift = longest - len(each.ids)
            own = torch.tensor(each.ids)
            ids[row, shift:] = own
            mask[row, shift:] = True
            labels[row, shift:] = torch.where(torch.tensor(each.learned), own, -100)
            images += [(row, shift + span.start, span.length) for span in each.images]
        return Sequences(ids.to(device), mask.to(device), labels.to(device), tuple(images), encoded[0].queries)

    def merge(self, embeds: Tensor, features: Tensor | None, queries: Tensor | None) -> Tensor:
        """Put picture features and latent queries in the place of their placeholders.

        embeds [b s d], features [k n d] one a picture in order, queries [q d] -> [b s d]
        """
        embeds = put_pictures(embeds, self.images, features)
        if queries is not None and self.queries:
            tail = queries.to(embeds.dtype).expand(embeds.shape[0], -1, -1)
            embeds = torch.cat([embeds[:, : embeds.shape[1] - self.queries], tail], 1)
        return embeds


def put_pictures(embeds: Tensor, images: Sequence[tuple[int, int, int]], features: Tensor | None) -> Tensor:
    """Put features [k n d], one a picture, at their spans (row, start, length): embeds [b s d] -> [b s d]."""
    if features is None or not images:
        return embeds
    rows = torch.tensor([row for row, _, _ in images], device=embeds.device)
    starts = torch.tensor([start for _, start, _ in images], device=embeds.device)
    positions = starts[:, None] + torch.arange(features.shape[1], device=embeds.device)
    return embeds.index_put((rows[:, None].expand_as(positions), positions), features.to(embeds.dtype))
