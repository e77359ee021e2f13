"""Bad input is refused before any launch, naming the argument, the expected and the given."""

from typing import Any

import pytest
import torch

import diptych_kernels


Q, K, TABLE = torch.zeros(2, 3, 4, 8), torch.zeros(2, 3, 2, 8), torch.ones(3, 4)
GOOD: dict[str, Any] = {"q": Q, "k": K, "cos": TABLE, "sin": TABLE}
HEAD = {"norm": "head", "q_weight": torch.ones(8), "k_weight": torch.ones(8)}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"q": 1}, TypeError, ["q must be a tensor", "int"]),
        ({"q": Q.int()}, TypeError, ["q must be one of", "torch.int32"]),
        ({"q": Q[0]}, ValueError, ["q must have shape 'b n h d'", "[3, 4, 8]"]),
        ({"q": Q[..., :7]}, ValueError, ["even d", "7"]),
        ({"k": K[:, :2]}, ValueError, ["k", "[2, 3, 2, 8]", "got [2, 2, 2, 8]"]),
        ({"k": K[0]}, ValueError, ["k must have shape 'b n g d'"]),
        ({"k": K.to("meta")}, ValueError, ["k must be on cpu", "meta"]),
        ({"cos": torch.ones(3, 8)}, ValueError, ["cos", "'n p' = [3, 4]", "got [3, 8]"]),
        ({"sin": torch.ones(1, 3, 4)}, ValueError, ["sin", "'b n p' = [2, 3, 4]"]),
        ({"sin": torch.ones(2, 3, 4)}, ValueError, ["sin", "cos is [3, 4]"]),
        ({"cos": TABLE.clone().requires_grad_()}, ValueError, ["cos is constant", "detach"]),
        ({"norm": "rms"}, ValueError, ["norm must be one of None, 'head', 'row'", "'rms'"]),
        ({"pairs": "neox"}, ValueError, ["pairs", "'halves', 'adjacent'", "'neox'"]),
        ({"norm": "head"}, TypeError, ["norm='head' needs q_weight"]),
        (HEAD | {"k_weight": None}, TypeError, ["needs k_weight"]),
        (HEAD | {"q_weight": torch.ones(32)}, ValueError, ["q_weight", "'d' = [8]", "[32]"]),
        (HEAD | {"q_bias": torch.ones(8)}, ValueError, ["norm='head' has no q_bias"]),
        ({"q_weight": torch.ones(8)}, ValueError, ["norm=None has no q_weight"]),
        (HEAD | {"norm": "row"}, ValueError, ["q_weight", "'(h d)' = [32]", "got [8]"]),
        (HEAD | {"k": None}, ValueError, ["k_weight is given, but k is None"]),
        ({"eps": -1}, ValueError, ["eps", "-1"]),
        ({"implementation": "fast"}, ValueError, ["'fast'", "reference, compile, triton"]),
    ],
)
def test_says_what_is_wrong(
    change: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as raised:
        diptych_kernels.qk_norm_rope(**(GOOD | change))
    for word in words:
        assert word in str(raised.value)


def test_triton_refuses_what_its_registers_cannot_hold() -> None:
    pytest.importorskip("triton")
    weight = torch.ones(33 * 128)
    table = torch.ones(1, 64)
    with pytest.raises(diptych_kernels.ImplementationUnavailableError, match="8192 elements"):
        diptych_kernels.qk_norm_rope(
            torch.zeros(1, 1, 33, 128), None, table, table, q_weight=weight, norm="row",
            implementation="triton",
        )  # fmt: skip
