"""Life among torch's own machinery: registration, compilation, export, autograd, no host sync."""

import pytest
import torch
from kernel_tests import machinery
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from diptych_kernels import ImplementationUnavailableError, merge_features
from diptych_kernels.ops.merge_features.arguments import MOST_SPANS


SPANS = torch.tensor([[1, 2, 2], [0, 0, 1]], device=DEVICE)


def _inputs(length: int = 5) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(length)
    embeds, features = torch.randn(2, length, 8, generator=random), torch.randn(3, 8)
    return embeds.to(DEVICE).requires_grad_(), features.to(DEVICE).requires_grad_()


def _loss(embeds: Tensor, features: Tensor, implementation: str) -> Tensor:
    return merge_features(embeds, features, SPANS, implementation=implementation).sin().sum()


@needs_triton
def test_registration_passes_opcheck() -> None:
    from diptych_kernels.ops.merge_features import triton  # noqa: F401

    ops = torch.ops.diptych_kernels
    embeds, features = (a.detach() for a in _inputs())
    arguments = (embeds, features.bfloat16(), SPANS)
    torch.library.opcheck(ops.merge_features_forward.default, arguments)
    backward = (embeds.bfloat16(), SPANS, 3, torch.float32)
    torch.library.opcheck(ops.merge_features_backward.default, backward)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_compiles_as_one_graph_with_any_length(implementation: str) -> None:
    compiled, graphs = machinery.one_graph(_loss)
    for length in (5, 9):
        inputs = _inputs(length)
        one, other = compiled(*inputs, implementation), _loss(*inputs, implementation)
        assert torch.equal(one, other)
        assert all(map(torch.equal, torch.autograd.grad(one, inputs),
                       torch.autograd.grad(other, inputs)))  # fmt: skip
    assert len(graphs) == 1


@needs_triton
def test_exports() -> None:
    class Merge(torch.nn.Module):
        def forward(self, embeds: Tensor, features: Tensor, spans: Tensor) -> Tensor:
            return merge_features(embeds, features, spans, implementation="triton")

    inputs = (*(a.detach() for a in _inputs()), SPANS)
    length = {1: torch.export.Dim("length", min=4, max=64)}
    program = torch.export.export(Merge(), inputs, dynamic_shapes=(length, None, None))
    longer = (torch.cat([inputs[0]] * 2, 1), *inputs[1:])
    assert torch.equal(program.module()(*longer), Merge()(*longer))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_checkpointing_and_a_second_use_change_no_gradient(implementation: str) -> None:
    inputs = _inputs()
    loss = _loss(*inputs, implementation)
    first = torch.autograd.grad(loss, inputs, retain_graph=True)
    assert all(map(torch.equal, first, torch.autograd.grad(loss, inputs)))
    loss = checkpoint(_loss, *inputs, implementation, use_reentrant=False)
    assert all(map(torch.equal, first, torch.autograd.grad(loss, inputs)))


@needs_triton
def test_refuses_a_second_derivative_and_too_many_spans() -> None:
    inputs = _inputs()
    with pytest.raises(RuntimeError, match=r"no second derivative.*implementation='reference'"):
        torch.autograd.grad(_loss(*inputs, "triton"), inputs, create_graph=True)
    spans = torch.zeros(MOST_SPANS + 1, 3, dtype=torch.int64)
    with pytest.raises(ImplementationUnavailableError, match="1025 spans are more"):
        merge_features(inputs[0], inputs[1][:0], spans, implementation="triton")


@pytest.mark.skipif(DEVICE.type != "cuda", reason="torch tells of waits for a GPU alone")
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_nothing_waits_for_the_device(implementation: str) -> None:
    inputs = _inputs()
    _loss(*inputs, implementation).backward()  # compiles
    torch.cuda.set_sync_debug_mode("error")
    try:
        _loss(*inputs, implementation).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
