"""Life among torch's own machinery: registration, compilation, export, checkpointing, autograd."""

import itertools

import pytest
import torch
from kernel_tests import machinery
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import TRACED
from torch import Tensor

import diptych_kernels


FLAGS = list(itertools.product([False, True], repeat=3))


def _inputs(batch: int = 2, tokens: int = 3, flags: tuple[bool, ...] = (True, True, True)) -> list:
    random = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random).to(DEVICE).requires_grad_()

    width = 8
    shapes = [(width,), (batch, width), (batch, width)]
    optional = [draw(*s) if flag else None for s, flag in zip(shapes, flags, strict=True)]
    return [draw(batch, tokens, width), draw(batch, tokens, width), draw(width), *optional]


def _loss(inputs: machinery.Inputs, implementation: str | None) -> Tensor:
    x, y, weight, branch_weight, gate, scale = inputs
    h, z = diptych_kernels.gated_residual_norm(
        x, y, weight, branch_weight=branch_weight, gate=gate, scale=scale,
        implementation=implementation,
    )  # fmt: skip
    return h.sin().sum() + z.square().sum()


@needs_triton
@pytest.mark.parametrize("flags", [(True, True, True), (False, False, False)])
def test_registration_passes_opcheck(flags: tuple[bool, ...]) -> None:
    from diptych_kernels.ops.gated_residual_norm import triton  # noqa: F401

    x, y, weight, *optional = (None if a is None else a.detach() for a in _inputs(flags=flags))
    ops = torch.ops.diptych_kernels
    forward = (x, y, weight, *optional, 1e-6)
    torch.library.opcheck(ops.gated_residual_norm_forward.default, forward)
    backward = (x, None, x, y, torch.float32, weight, *optional, 1e-6)
    torch.library.opcheck(ops.gated_residual_norm_backward.default, backward)
    backward = (None, x, x.bfloat16(), y, torch.float16, weight, *optional, 1e-6)
    torch.library.opcheck(ops.gated_residual_norm_backward.default, backward)


@needs_triton
def test_registration_passes_opcheck_without_a_second_norm() -> None:
    from diptych_kernels.ops.gated_residual_norm import triton  # noqa: F401

    x, y, _, branch_weight, gate, _ = (a.detach() for a in _inputs())
    ops, rest = torch.ops.diptych_kernels, (None, branch_weight, gate, None, 1e-6)
    torch.library.opcheck(ops.gated_residual_norm_forward.default, (x, y, *rest))
    backward = (x, None, x, y, torch.float32, *rest)
    torch.library.opcheck(ops.gated_residual_norm_backward.default, backward)


@pytest.mark.parametrize("implementation", [*TRACED, "compile"])
def test_compiles_as_one_graph_with_any_number_of_tokens(implementation: str) -> None:
    draws = [_inputs(batch, tokens) for batch, tokens in ((2, 3), (4, 5), (3, 7))]
    machinery.assert_one_graph(_loss, draws, implementation)


@pytest.mark.parametrize("implementation", TRACED)
def test_compiles_without_a_second_norm(implementation: str) -> None:
    def loss(inputs: machinery.Inputs, implementation: str | None) -> Tensor:
        x, y, _, branch_weight, gate, _ = inputs
        h, z = diptych_kernels.gated_residual_norm(
            x, y, None, branch_weight=branch_weight, gate=gate, implementation=implementation
        )
        assert z is None
        return h.sin().sum()

    draws = [_inputs(*shape, flags=(True, True, False)) for shape in ((2, 3), (4, 5))]
    draws = [[*each[:2], None, *each[3:]] for each in draws]
    machinery.assert_one_graph(loss, draws, implementation)


@needs_triton
def test_a_compiled_caller_follows_the_context_manager() -> None:
    compiled, graphs = machinery.one_graph(_loss)
    with torch.no_grad():
        for name in ("reference", "triton"):
            with diptych_kernels.use(name):
                compiled(_inputs(), None)
    ops = [str(graph.graph) for graph in graphs]
    assert ["gated_residual_norm_forward" in graph for graph in ops] == [False, True]


@needs_triton
def test_exports() -> None:
    def call(x: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        return diptych_kernels.gated_residual_norm(x, y, weight, implementation="triton")

    x, y, weight = (tensor.detach() for tensor in _inputs()[:3])
    longer = torch.cat([x, x], 1), torch.cat([y, y], 1), weight
    machinery.assert_exports(call, (x, y, weight), longer)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_checkpointing_changes_no_gradient(implementation: str) -> None:
    machinery.assert_checkpoints(_loss, _inputs(), implementation)


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_graph_can_be_used_twice(implementation: str, flags: tuple[bool, ...]) -> None:
    machinery.assert_usable_twice(_loss, _inputs(flags=flags), implementation)


@needs_triton
def test_a_second_derivative_is_refused_not_wrong() -> None:
    machinery.assert_refuses_second_derivative(_loss, _inputs())


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_module_is_the_function_with_its_weights(implementation: str) -> None:
    module = diptych_kernels.GatedResidualNorm(8, eps=1e-5, implementation=implementation)
    module = module.to(DEVICE)
    assert dict(module.named_parameters()).keys() == {"weight", "branch_weight"}
    x, y, weight, branch_weight, gate, scale = (tensor.detach() for tensor in _inputs())
    module.load_state_dict({"weight": weight, "branch_weight": branch_weight})
    expected = diptych_kernels.gated_residual_norm(
        x, y, weight, branch_weight=branch_weight, gate=gate, scale=scale, eps=1e-5,
        implementation=implementation,
    )  # fmt: skip
    assert all(map(torch.equal, module(x, y, gate, scale), expected))
    assert diptych_kernels.GatedResidualNorm(8, branch_norm=False).branch_weight is None
