"""Bad input is refused before any launch, naming the argument, the expected and the given."""

import math
from typing import Any

import pytest
import torch

import diptych_kernels


X = torch.zeros(2, 3, 4)
GOOD: dict[str, Any] = {"x": X, "y": X, "weight": torch.ones(4)}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x": [1.0]}, TypeError, ["x must be a tensor", "list"]),
        ({"x": X.long()}, TypeError, ["x must be one of", "float32", "torch.int64"]),
        ({"x": torch.zeros(4)}, ValueError, ["x must have shape 'b ... d'", "[4]"]),
        ({"y": torch.zeros(2, 1, 4)}, ValueError, ["y", "[2, 3, 4]", "got [2, 1, 4]"]),
        ({"y": X.to(torch.complex64)}, TypeError, ["y", "torch.complex64"]),
        ({"y": X.to("meta")}, ValueError, ["y must be on cpu", "got meta"]),
        ({"weight": 1.0}, TypeError, ["weight must be a tensor", "float"]),
        ({"weight": None, "scale": torch.ones(2, 4)}, ValueError, ["scale", "no weight"]),
        ({"weight": torch.ones(5)}, ValueError, ["weight", "'d' = [4]", "got [5]"]),
        ({"branch_weight": torch.ones(1, 4)}, ValueError, ["branch_weight", "got [1, 4]"]),
        ({"gate": torch.ones(2, 1, 4)}, ValueError, ["gate", "'b d' = [2, 4]", "[2, 1, 4]"]),
        ({"gate": torch.ones(2, 4).bool()}, TypeError, ["gate", "torch.bool"]),
        ({"scale": torch.ones(4)}, ValueError, ["scale", "'b d' = [2, 4]", "got [4]"]),
        ({"eps": -1.0}, ValueError, ["eps", "not negative", "-1.0"]),
        ({"eps": math.nan}, ValueError, ["eps", "nan"]),
        ({"eps": "small"}, TypeError, ["eps must be a number", "str"]),
        ({"implementation": "fast"}, ValueError, ["'fast'", "reference, compile, triton"]),
    ],
)
def test_says_what_is_wrong(
    change: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as raised:
        diptych_kernels.gated_residual_norm(**(GOOD | change))
    for word in words:
        assert word in str(raised.value)
