"""The reference itself: agreement with torch's own parts, dtypes, shapes, and small memory."""

import pytest
import torch
from torch.nn.functional import cosine_similarity

from diptych_kernels import nearest_code
from diptych_kernels.ops.nearest_code import reference


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_is_the_arg_min_of_torchs_own_distances(metric: str) -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(40, 5, generator=random, dtype=torch.float64)
    codes = torch.randn(9, 5, generator=random, dtype=torch.float64)
    if metric == "euclidean":
        every = torch.cdist(x, codes).square()
    else:
        every = 1 - cosine_similarity(x[:, None], codes[None], dim=-1)
    indices, distances = nearest_code(x, codes, metric=metric, return_distances=True)
    least, where = every.min(1)
    assert torch.equal(indices, where) and distances.dtype == torch.float64
    torch.testing.assert_close(distances, least, rtol=1e-9, atol=1e-9)


def test_a_zero_vector_is_as_far_from_everything() -> None:
    x, codes = torch.zeros(1, 3), torch.eye(3)
    index, distance = nearest_code(x, codes, metric="cosine", return_distances=True)
    assert index.item() == 0 and distance.item() == 1
    index, distance = nearest_code(-codes[:1], x, metric="cosine", return_distances=True)
    assert distance.item() == 1


def test_any_leading_axes_and_no_gradient() -> None:
    x = torch.randn(2, 3, 4, 5, requires_grad=True)
    codes = torch.randn(7, 5, requires_grad=True)
    indices, distances = nearest_code(x, codes, return_distances=True)
    assert indices.shape == distances.shape == (2, 3, 4) and not distances.requires_grad
    assert torch.equal(indices[1, 2], nearest_code(x[1, 2], codes))
    assert nearest_code(x[0, 0, 0], codes).shape == ()


def test_rows_are_searched_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.randint(-3, 4, (23, 2), generator=random).float()
    codes = torch.randint(-3, 4, (6, 2), generator=random).float()
    whole = nearest_code(x, codes, implementation="reference")
    monkeypatch.setattr(reference, "ELEMENTS", 30)
    assert torch.equal(nearest_code(x, codes, implementation="reference"), whole)
