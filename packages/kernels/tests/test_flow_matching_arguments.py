"""Bad input is refused before any launch, naming the argument, the expected and the given."""

from typing import Any

import pytest
import torch

from diptych_kernels import flow_interpolate, flow_matching_loss


X, T = torch.zeros(2, 3, 4), torch.zeros(2)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x": None}, TypeError, ["flow_interpolate: x must be a tensor", "NoneType"]),
        ({"x": X.long()}, TypeError, ["x must be one of", "torch.int64"]),
        ({"x": X[0, 0]}, ValueError, ["x must have shape 'b ... c'", "[4]"]),
        ({"noise": X[:1]}, ValueError, ["noise", "[2, 3, 4]", "got [1, 3, 4]"]),
        ({"noise": X.to("meta")}, ValueError, ["noise must be on cpu", "meta"]),
        ({"t": 0.5}, TypeError, ["t must be a tensor", "float"]),
        ({"t": X}, ValueError, ["t", "'b' = [2]", "x is [2, 3, 4]"]),
        ({"t": torch.zeros(2).requires_grad_()}, ValueError, ["t is constant", "detach"]),
        ({"implementation": "fast"}, ValueError, ["'fast'"]),
    ],
)
def test_the_way_says_what_is_wrong(
    change: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as raised:
        flow_interpolate(**({"x": X, "noise": X, "t": T} | change))
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"prediction": "x"}, TypeError, ["flow_matching_loss: prediction", "str"]),
        ({"prediction": X[0, 0]}, ValueError, ["prediction must have shape 'b ... c'"]),
        ({"x": X[..., :3]}, ValueError, ["x", "prediction is [2, 3, 4]", "got [2, 3, 3]"]),
        ({"noise": X.cfloat()}, TypeError, ["noise", "torch.complex64"]),
        ({"weight": torch.ones(3)}, ValueError, ["weight", "'b' = [2]", "[3]"]),
        ({"mask": [True]}, TypeError, ["mask must be a tensor", "list"]),
        ({"mask": torch.ones(2, 3)}, TypeError, ["mask must be bool", "torch.float32"]),
        ({"mask": torch.ones(2, 3, 4).bool()}, ValueError, ["mask", "[2, 3]", "[2, 3, 4]"]),
        ({"implementation": "fast"}, ValueError, ["'fast'"]),
    ],
)
def test_the_loss_says_what_is_wrong(
    change: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as raised:
        flow_matching_loss(**({"prediction": X, "x": X, "noise": X} | change))
    for word in words:
        assert word in str(raised.value)
