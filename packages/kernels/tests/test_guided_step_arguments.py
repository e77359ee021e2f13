"""Bad input is refused before any launch, naming the argument, the expected and the given."""

import math
from typing import Any

import pytest
import torch

import diptych_kernels
from diptych_kernels import ImplementationUnavailableError


X = torch.zeros(2, 3, 4)
GOOD: dict[str, Any] = {"x": X, "conditional": X, "null": X, "dt": 0.1, "scale": 3.0}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x": None}, TypeError, ["x must be a tensor", "NoneType"]),
        ({"x": X.bfloat16()}, TypeError, ["x must be float32", "torch.bfloat16", "small steps"]),
        ({"x": torch.tensor(0.0)}, ValueError, ["x must have shape 'b ...'"]),
        ({"conditional": None}, TypeError, ["conditional must be a tensor"]),
        ({"conditional": X[:1]}, ValueError, ["conditional", "[2, 3, 4]", "got [1, 3, 4]"]),
        ({"null": X.long()}, TypeError, ["null must be one of", "torch.int64"]),
        ({"null": None}, ValueError, ["scale", "null, the prediction to guide away from"]),
        ({"null": None, "scale": 1.0, "rescale": 0.5}, ValueError, ["rescale", "null"]),
        ({"before": X.to("meta")}, ValueError, ["before must be on cpu", "got meta"]),
        ({"dt": "long"}, TypeError, ["dt must be a number or a tensor of one", "str"]),
        ({"dt": math.inf}, ValueError, ["dt must be finite", "inf"]),
        ({"scale": torch.zeros(2)}, ValueError, ["scale", "a tensor of one", "got [2]"]),
        ({"scale": torch.tensor(3)}, TypeError, ["scale must be one of", "torch.int64"]),
        ({"ratio": torch.zeros(1, device="meta")}, ValueError, ["ratio must be on cpu"]),
        ({"rescale": 1.5}, ValueError, ["rescale must be in [0, 1]", "1.5"]),
        ({"rescale": torch.tensor(0.5)}, TypeError, ["rescale must be a number", "Tensor"]),
        ({"implementation": "fast"}, ValueError, ["'fast'", "reference, compile, triton"]),
    ],
)
def test_says_what_is_wrong(
    change: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as raised:
        diptych_kernels.guided_step(**(GOOD | change))
    for word in words:
        assert word in str(raised.value)


def test_a_gradient_is_the_references_and_not_tritons() -> None:
    x = X.clone().requires_grad_()
    assert diptych_kernels.guided_step(x, X, dt=0.1).requires_grad
    with pytest.raises(ImplementationUnavailableError, match=r"no gradient.*'reference'"):
        diptych_kernels.guided_step(x, X, dt=0.1, implementation="triton")
