"""Life among torch's own machinery: registration, compilation, export, autograd."""

import pytest
import torch
from kernel_tests import machinery
from kernel_tests.devices import DEVICE, HAS_TRITON
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from diptych_kernels import linear_cross_entropy


TILED = ("chunked", "triton") if HAS_TRITON else ("chunked",)
tiled = pytest.mark.parametrize("implementation", TILED)


def _inputs(rows: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(rows)
    x, weight = (torch.randn(n, 8, generator=random).to(DEVICE) for n in (rows, 7))
    labels = torch.randint(0, 7, (rows,), generator=random).to(DEVICE)
    labels[0] = -100
    return x.requires_grad_(), weight.requires_grad_(), labels


def _loss(x: Tensor, weight: Tensor, labels: Tensor, implementation: str) -> Tensor:
    return linear_cross_entropy(
        x, weight, labels, label_smoothing=0.1, z_loss=0.1, soft_cap=5.0, chunk=3,
        implementation=implementation,
    )  # fmt: skip


@pytest.mark.parametrize("fused", [False, True] if HAS_TRITON else [False])
def test_registration_passes_opcheck(fused: bool) -> None:
    from diptych_kernels.ops.linear_cross_entropy import chunked  # noqa: F401

    ops = torch.ops.diptych_kernels
    x, weight, labels = (a.detach() for a in _inputs())
    options = (-100, 0.1, 0.1, 5.0, 3, fused)
    arguments = (x, weight.bfloat16(), labels, *options)
    torch.library.opcheck(ops.linear_cross_entropy_forward.default, arguments)
    arguments = (x[:, 0], x, weight, labels, x[:, 1], *options, True, False)
    torch.library.opcheck(ops.linear_cross_entropy_backward.default, arguments)


@tiled
def test_compiles_as_one_graph_with_any_number_of_rows(implementation: str) -> None:
    compiled, graphs = machinery.one_graph(_loss)
    for rows in (4, 6):
        inputs = _inputs(rows)
        one, other = compiled(*inputs, implementation), _loss(*inputs, implementation)
        torch.testing.assert_close(one, other)
        torch.testing.assert_close(
            torch.autograd.grad(one, inputs[:2]), torch.autograd.grad(other, inputs[:2])
        )
    assert len(graphs) == 1


@tiled
def test_exports(implementation: str) -> None:
    class Loss(torch.nn.Module):
        def forward(self, x: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
            return _loss(x, weight, labels, implementation)

    inputs = tuple(a.detach() for a in _inputs())
    rows = torch.export.Dim("rows", min=2, max=64)
    program = torch.export.export(Loss(), inputs, dynamic_shapes=({0: rows}, None, {0: rows}))
    longer = tuple(a.detach() for a in _inputs(9))
    torch.testing.assert_close(program.module()(*longer), Loss()(*longer))


@tiled
def test_checkpointing_and_a_second_use_change_no_gradient(implementation: str) -> None:
    inputs = _inputs()
    loss = _loss(*inputs, implementation)
    first = torch.autograd.grad(loss, inputs[:2], retain_graph=True)
    assert all(map(torch.equal, first, torch.autograd.grad(loss, inputs[:2])))
    loss = checkpoint(_loss, *inputs, implementation, use_reentrant=False)
    assert all(map(torch.equal, first, torch.autograd.grad(loss, inputs[:2])))


@tiled
def test_a_frozen_matrix_costs_no_gradient_and_a_second_derivative_is_refused(
    implementation: str,
) -> None:
    x, weight, labels = _inputs()
    both = torch.autograd.grad(_loss(x, weight, labels, implementation), (x, weight))
    alone = torch.autograd.grad(_loss(x, weight.detach(), labels, implementation), x)
    assert torch.equal(alone[0], both[0])
    alone = torch.autograd.grad(_loss(x.detach(), weight, labels, implementation), weight)
    assert torch.equal(alone[0], both[1])
    with pytest.raises(RuntimeError, match=r"no second derivative.*implementation='reference'"):
        torch.autograd.grad(_loss(x, weight, labels, implementation), x, create_graph=True)
