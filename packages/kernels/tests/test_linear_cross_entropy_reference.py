"""The reference itself: derivatives in float64, and agreement with torch's own."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from diptych_kernels import linear_cross_entropy
from diptych_kernels.ops.linear_cross_entropy.reference import linear_cross_entropy_reference


LABELS = torch.tensor([2, -100, 0, 4])


def _inputs() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(n, 3, generator=random, dtype=torch.float64) for n in (4, 5))
    return x.requires_grad_(), weight.requires_grad_()


@pytest.mark.parametrize(
    ("smoothing", "z_loss", "cap"), itertools.product([0.0, 0.2], [0.0, 0.1], [0.0, 2.0])
)
def test_first_and_second_derivatives(smoothing: float, z_loss: float, cap: float) -> None:
    def function(x: Tensor, weight: Tensor) -> Tensor:
        return linear_cross_entropy_reference(x, weight, LABELS, -100, smoothing, z_loss, cap)

    assert torch.autograd.gradcheck(function, _inputs(), fast_mode=True)
    assert torch.autograd.gradgradcheck(function, _inputs(), fast_mode=True)


@pytest.mark.parametrize("implementation", ["reference", "chunked"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_is_torchs_own_cross_entropy(implementation: str, reduction: str, smoothing: float) -> None:
    x, weight = _inputs()
    own = cross_entropy(x @ weight.mT, LABELS, reduction=reduction, label_smoothing=smoothing)
    actual = linear_cross_entropy(
        x, weight, LABELS, reduction=reduction, label_smoothing=smoothing, chunk=2,
        implementation=implementation,
    )  # fmt: skip
    torch.testing.assert_close(actual, own, rtol=1e-12, atol=1e-12)
    for one, other in zip(
        torch.autograd.grad(actual.sum(), (x, weight)),
        torch.autograd.grad(own.sum(), (x, weight)), strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("implementation", ["reference", "chunked"])
def test_nothing_to_learn_is_torchs_too(implementation: str) -> None:
    x, weight = _inputs()
    labels = torch.full((4,), -100)
    options = {"implementation": implementation}
    assert linear_cross_entropy(x, weight, labels, **options).isnan()
    loss = linear_cross_entropy(x, weight, labels, reduction="sum", **options)
    assert loss == 0 and not any(g.any() for g in torch.autograd.grad(loss, (x, weight)))
    assert linear_cross_entropy(x[:0], weight, labels[:0], reduction="sum", **options) == 0


def test_any_leading_axes() -> None:
    x, weight = (a.detach() for a in _inputs())
    flat = linear_cross_entropy(x, weight, LABELS, reduction="none")
    folded = linear_cross_entropy(x.view(2, 2, 3), weight, LABELS.view(2, 2), reduction="none")
    assert torch.equal(folded, flat.view(2, 2))
    single = linear_cross_entropy(x[0], weight, LABELS[0], reduction="none")
    torch.testing.assert_close(single, flat[0])
