"""The implementation ``compile`` of every operation, with torch's own code generation: nightly."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from kernel_tests.devices import DEVICE
from kernel_tests.effort import PROFILE
from torch import Tensor

import diptych_kernels as dk
from diptych_kernels.situation import Situation, compiler_cannot_run


pytestmark = [
    pytest.mark.skipif(
        PROFILE in ("ci", "mutation"),
        reason="a cold torch.compile takes half a minute: HYPOTHESIS_PROFILE=nightly runs it",
    ),
    pytest.mark.skipif(
        compiler_cannot_run(Situation(DEVICE, frozenset([torch.float32]))) is not None,
        reason="torch.compile cannot generate code here",
    ),
]
SHAPE = (2, 3, 8)
LABELS, SPANS = torch.tensor([[1, -100, 6], [0, 4, 4]]), [(0, 1, 2), (1, 0, 1)]


def _gated(made: Callable[..., Tensor], **options: Any) -> Any:
    x, y, gate, scale = made(*SHAPE), made(*SHAPE), made(2, 8), made(2, 8)
    return dk.gated_residual_norm(
        x, y, made(8), branch_weight=made(8), gate=gate, scale=scale, **options
    )


def _qk(made: Callable[..., Tensor], **options: Any) -> Any:
    table = made(3, 4).detach()
    return dk.qk_norm_rope(
        made(2, 3, 4, 8), made(2, 3, 2, 8), table.cos(), table.sin(),
        q_weight=made(8), k_weight=made(8), norm="head", **options,
    )  # fmt: skip


def _cross_entropy(made: Callable[..., Tensor], **options: Any) -> Any:
    x, matrix, labels = made(*SHAPE), made(7, 8), LABELS.to(DEVICE)
    smooth = {"label_smoothing": 0.1, "z_loss": 1e-3, "soft_cap": 5.0}
    return dk.linear_cross_entropy(x, matrix, labels, **smooth, **options)


def _step(made: Callable[..., Tensor], **options: Any) -> Any:
    x, conditional, null, before = (made(*SHAPE) for _ in range(4))
    return dk.guided_step(
        x.float(), conditional, null, dt=-0.1, scale=3.0, rescale=0.7, before=before.float(),
        return_velocity=True, **options,
    )  # fmt: skip


CALLS: dict[str, Callable[..., Any]] = {
    "flow_interpolate": lambda made, **options: dk.flow_interpolate(
        made(*SHAPE), made(*SHAPE), made(2).detach(), **options
    ),
    "flow_matching_loss": lambda made, **options: dk.flow_matching_loss(
        made(*SHAPE), made(*SHAPE), made(*SHAPE), weight=made(2), **options
    ),
    "gated_residual_norm": _gated,
    "guided_step": _step,
    "linear_cross_entropy": _cross_entropy,
    "merge_features": lambda made, **options: dk.merge_features(
        made(*SHAPE), made(3, 8), SPANS, **options
    ),
    "nearest_code": lambda made, **options: dk.nearest_code(
        made(*SHAPE), made(5, 8), return_distances=True, **options
    ),
    "qk_norm_rope": _qk,
    "swiglu": lambda made, **options: dk.swiglu(made(*SHAPE), made(*SHAPE), **options),
}


def _outcome(operation: str, implementation: str, dtype: torch.dtype) -> list[Tensor]:
    """Outputs, then the gradients of their squares."""
    random, leaves = torch.Generator().manual_seed(0), []

    def made(*shape: int) -> Tensor:
        leaves.append(torch.randn(*shape, generator=random).to(dtype).to(DEVICE).requires_grad_())
        return leaves[-1]

    found = CALLS[operation](made, implementation=implementation)
    outputs = list(found) if isinstance(found, tuple) else [found]
    learned = [a for a in outputs if a.requires_grad]
    if not learned:
        return outputs
    loss = sum((a.float().square().sum() for a in learned), torch.zeros((), device=DEVICE))
    grads = torch.autograd.grad(loss, leaves, allow_unused=True)
    return [a.detach() for a in outputs] + [a for a in grads if a is not None]


def test_no_operation_is_left_out() -> None:
    assert set(CALLS) == set(dk.operations())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("operation", CALLS)
def test_computes_the_reference(operation: str, dtype: torch.dtype) -> None:
    torch.testing.assert_close(
        _outcome(operation, "compile", dtype), _outcome(operation, "reference", dtype)
    )
