"""Bad input is refused before any launch, naming the argument, the expected and the given."""

from typing import Any

import pytest
import torch

import diptych_kernels


GOOD: dict[str, Any] = {
    "embeds": torch.zeros(2, 5, 4),
    "features": torch.zeros(3, 4),
    "spans": [(0, 1, 2), (1, 4, 1)],
}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"embeds": [1.0]}, TypeError, ["embeds must be a tensor", "list"]),
        ({"embeds": torch.zeros(5, 4)}, ValueError, ["embeds", "'b s d'", "got [5, 4]"]),
        ({"features": torch.zeros(3, 4).long()}, TypeError, ["features", "torch.int64"]),
        ({"features": torch.zeros(3, 5)}, ValueError, ["features", "d = 4", "got [3, 5]"]),
        ({"features": torch.zeros(3, 4).to("meta")}, ValueError, ["features must be on cpu"]),
        ({"features": torch.zeros(2, 4)}, ValueError, ["3 tokens in all", "features has 2"]),
        ({"spans": torch.zeros(2, 3)}, TypeError, ["spans must be int64", "torch.float32"]),
        ({"spans": torch.zeros(3).long()}, ValueError, ["spans", "'j 3'", "got [3]"]),
        ({"spans": [(0, 1), (1, 1)]}, ValueError, ["spans", "'j 3'", "got [2, 2]"]),
        ({"spans": [(0, 1, 2), (1,)]}, TypeError, ["spans must be a tensor or a list"]),
        ({"spans": [(0, 4, 2), (1, 4, 1)]}, ValueError, ["spans[0]", "start 4, length 2"]),
        ({"spans": [(0, 1, 2), (2, 0, 1)]}, ValueError, ["spans[1] is row 2", "2 rows"]),
        ({"spans": [(0, 1, 2), (1, -1, 1)]}, ValueError, ["spans[1]", "start -1"]),
        ({"spans": [(0, 1, 2), (0, 2, 1)]}, ValueError, ["spans[0] and spans[1] overlap"]),
        ({"implementation": "fast"}, ValueError, ["'fast'", "reference, compile, triton"]),
    ],
)
def test_says_what_is_wrong(
    change: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as raised:
        diptych_kernels.merge_features(**(GOOD | change))
    for word in words:
        assert word in str(raised.value)
