"""Offsets beyond 2^31 elements, in address space that is never touched."""

import pytest
import torch
from kernel_tests.gated_residual_norm_cases import NormCase
from kernel_tests.gated_residual_norm_oracle import judge_forward
from torch import Tensor


pytest.importorskip("triton")
FAR = 2**30 + 8  # fits an int32, twice that does not


def _far_apart(rows: Tensor, axis: int) -> Tensor:
    """Moves the third entry along an axis beyond what an int32 reaches."""
    room = torch.UntypedStorage((2 * FAR + 64) * 2)  # bfloat16; reserved, not touched
    strides = [0, 0, 0]
    strides[axis], strides[2 if axis != 2 else 1] = FAR, 1
    far = torch.empty(0, dtype=rows.dtype).set_(room, 0, rows.shape, strides)
    return far.copy_(rows)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_rows_far_apart(axis: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from triton.runtime.interpreter import GridExecutor

    # The interpreter copies each storage back onto itself, all four gigabytes of it.
    monkeypatch.setattr(GridExecutor, "_restore_args_dev", lambda *_: None)
    torch.use_deterministic_algorithms(False)  # which would fill them
    shape = [1, 3, 3] if axis == 2 else [1, 1, 4]
    shape[axis] = 3
    values = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)).bfloat16()
    x, y = _far_apart(values[0], axis), _far_apart(values[1], axis)
    weight = torch.ones(shape[2], dtype=torch.bfloat16)
    case = NormCase(x, y, weight, weight, None, None, 1e-6, grad_h=y, grad_z=x)
    judge_forward(case, *case.run("triton"))
    near = NormCase(values[0], values[1], weight, weight, None, None, 1e-6, values[1], values[0])
    for far, close in zip(
        case.gradients("triton").values(), near.gradients("triton").values(), strict=True
    ):
        assert torch.equal(far, close)
