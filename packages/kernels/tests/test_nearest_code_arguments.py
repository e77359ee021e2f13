"""Bad input is refused before any launch, naming the argument, the expected and the given."""

from typing import Any

import pytest
import torch

import diptych_kernels


GOOD: dict[str, Any] = {"x": torch.zeros(2, 3, 4), "codebook": torch.zeros(5, 4)}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x": [1.0]}, TypeError, ["x must be a tensor", "list"]),
        ({"x": torch.zeros(2, 4).long()}, TypeError, ["x must be one of", "torch.int64"]),
        ({"x": torch.tensor(1.0)}, ValueError, ["x must have shape '... d'"]),
        ({"codebook": None}, TypeError, ["codebook must be a tensor", "NoneType"]),
        ({"codebook": torch.zeros(5, 3)}, ValueError, ["codebook", "d = 4", "got [5, 3]"]),
        ({"codebook": torch.zeros(0, 4)}, ValueError, ["codebook", "k > 0", "got [0, 4]"]),
        ({"codebook": torch.zeros(1, 5, 4)}, ValueError, ["codebook", "'k d'", "got [1, 5, 4]"]),
        ({"codebook": torch.zeros(5, 4).to("meta")}, ValueError, ["codebook must be on cpu"]),
        ({"metric": "dot"}, ValueError, ["metric", "euclidean, cosine", "'dot'"]),
        ({"implementation": "fast"}, ValueError, ["'fast'", "reference, compile, triton"]),
    ],
)
def test_says_what_is_wrong(
    change: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as raised:
        diptych_kernels.nearest_code(**(GOOD | change))
    for word in words:
        assert word in str(raised.value)
