"""Bad input is refused before any launch, naming the argument, the expected and the given."""

from typing import Any

import pytest
import torch

import diptych_kernels


GOOD: dict[str, Any] = {
    "x": torch.zeros(2, 3, 4),
    "weight": torch.zeros(5, 4),
    "labels": torch.zeros(2, 3, dtype=torch.int64),
}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x": [1.0]}, TypeError, ["x must be a tensor", "list"]),
        ({"x": torch.zeros(2, 3, 4).long()}, TypeError, ["x must be one of", "torch.int64"]),
        ({"x": torch.tensor(1.0)}, ValueError, ["x must have shape '... d'"]),
        ({"weight": torch.zeros(5, 3)}, ValueError, ["weight", "d = 4", "got [5, 3]"]),
        ({"weight": torch.zeros(0, 4)}, ValueError, ["weight", "v > 0", "got [0, 4]"]),
        ({"weight": torch.zeros(5, 4).to("meta")}, ValueError, ["weight must be on cpu"]),
        ({"labels": [0]}, TypeError, ["labels must be a tensor", "list"]),
        ({"labels": torch.zeros(2, 3)}, TypeError, ["labels must be int64", "torch.float32"]),
        ({"labels": torch.zeros(3).long()}, ValueError, ["labels", "[2, 3]", "got [3]"]),
        ({"labels": torch.full((2, 3), 5)}, ValueError, ["labels", "[0, 5)", "got 5 and 5 more"]),
        ({"labels": torch.full((2, 3), -1)}, ValueError, ["labels", "ignore_index = -100", "-1"]),
        ({"ignore_index": 1.0}, TypeError, ["ignore_index must be an integer", "float"]),
        ({"label_smoothing": 1.1}, ValueError, ["label_smoothing", "[0.0, 1.0]", "1.1"]),
        ({"z_loss": -1.0}, ValueError, ["z_loss", "-1.0"]),
        ({"z_loss": "a"}, TypeError, ["z_loss must be a number", "str"]),
        ({"soft_cap": 0}, ValueError, ["soft_cap must be positive", "None"]),
        ({"reduction": "max"}, ValueError, ["reduction", "mean, sum, none", "'max'"]),
        ({"chunk": 0}, ValueError, ["chunk", "positive", "0"]),
        ({"implementation": "fast"}, ValueError, ["'fast'", "triton, chunked"]),
    ],
)
def test_says_what_is_wrong(
    change: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as raised:
        diptych_kernels.linear_cross_entropy(**(GOOD | change))
    for word in words:
        assert word in str(raised.value)


def test_an_implementation_of_another_operation_is_refused() -> None:
    with pytest.raises(
        diptych_kernels.ImplementationUnavailableError, match=r"'chunked'.*does not have.*triton"
    ):
        diptych_kernels.nearest_code(GOOD["x"], GOOD["weight"], implementation="chunked")
