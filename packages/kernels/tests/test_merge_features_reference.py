"""The reference itself: derivatives in float64, and agreement with torch's own scatter."""

import torch

from diptych_kernels import merge_features
from diptych_kernels.ops.merge_features.reference import merge_features_reference


SPANS = torch.tensor([[1, 2, 2], [0, 0, 1], [1, 0, 1], [0, 3, 0]])


def test_first_and_second_derivatives() -> None:
    random = torch.Generator().manual_seed(0)
    embeds = torch.randn(2, 4, 3, generator=random, dtype=torch.float64).requires_grad_()
    features = torch.randn(4, 3, generator=random, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(merge_features_reference, (embeds, features, SPANS))
    assert torch.autograd.gradgradcheck(merge_features_reference, (embeds, features, SPANS))


def test_is_transformers_scatter_where_pictures_come_in_order() -> None:
    embeds, features = torch.randn(2, 5, 3), torch.randn(4, 3)
    spans = [(0, 1, 2), (1, 0, 1), (1, 4, 1)]
    mask = torch.zeros(2, 5, 1, dtype=torch.bool)
    for row, start, length in spans:
        mask[row, start : start + length] = True
    assert torch.equal(
        merge_features(embeds, features, spans), embeds.masked_scatter(mask, features)
    )


def test_pictures_of_one_length_may_have_an_axis() -> None:
    embeds, features = torch.zeros(1, 6, 2), torch.randn(2, 3, 2)
    out = merge_features(embeds, features, [(0, 3, 3), (0, 0, 3)])
    assert torch.equal(out[0], features.flip(0).flatten(0, 1))
    assert torch.equal(merge_features(embeds, features[:0], []), embeds)
