"""Life among torch's own machinery: registration, compilation, export, checkpointing, autograd."""

import itertools

import pytest
import torch
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from torch import Tensor
from torch.utils.checkpoint import checkpoint

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


def _loss(inputs: list, implementation: str | None) -> Tensor:
    x, y, weight, branch_weight, gate, scale = inputs
    h, z = diptych_kernels.gated_residual_norm(
        x, y, weight, branch_weight=branch_weight, gate=gate, scale=scale,
        implementation=implementation,
    )  # fmt: skip
    return h.sin().sum() + z.square().sum()


def _gradients(loss: Tensor, inputs: list, **options: bool) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, [a for a in inputs if a is not None], **options)


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


@pytest.mark.parametrize("implementation", [*IMPLEMENTATIONS, "compile"])
def test_compiles_as_one_graph_with_any_number_of_tokens(implementation: str) -> None:
    torch.compiler.reset()
    graphs = after_first = 0

    def backend(graph: torch.fx.GraphModule, example: list) -> object:
        nonlocal graphs
        graphs += 1
        return torch._dynamo.lookup_backend("aot_eager")(graph, example)

    compiled = torch.compile(_loss, fullgraph=True, dynamic=True, backend=backend)
    for batch, tokens in ((2, 3), (4, 5), (3, 7)):
        inputs = _inputs(batch, tokens)
        eager, graph = _loss(inputs, "reference"), compiled(inputs, implementation)
        torch.testing.assert_close(graph, eager)
        torch.testing.assert_close(_gradients(graph, inputs), _gradients(eager, inputs))
        after_first = after_first or graphs  # torch may trace the first twice, for eps
    assert graphs == after_first > 0


@needs_triton
def test_a_compiled_caller_follows_the_context_manager() -> None:
    torch.compiler.reset()
    ops: list[str] = []

    def backend(graph: torch.fx.GraphModule, example: list) -> object:
        ops.append(str(graph.graph))
        return graph

    compiled = torch.compile(_loss, fullgraph=True, dynamic=True, backend=backend)
    with torch.no_grad():
        for name in ("reference", "triton"):
            with diptych_kernels.use(name):
                compiled(_inputs(), None)
    assert ["gated_residual_norm_forward" in graph for graph in ops] == [False, True]


@needs_triton
def test_exports() -> None:
    class Block(torch.nn.Module):
        def forward(self, x: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
            return diptych_kernels.gated_residual_norm(x, y, weight, implementation="triton")

    x, y, weight = (tensor.detach() for tensor in _inputs()[:3])
    tokens = {1: torch.export.Dim("tokens", min=1, max=64)}
    program = torch.export.export(Block(), (x, y, weight), dynamic_shapes=(tokens, tokens, None))
    longer = torch.cat([x, x], 1), torch.cat([y, y], 1), weight
    torch.testing.assert_close(program.module()(*longer), Block()(*longer))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_changes_no_gradient(implementation: str, reentrant: bool) -> None:
    inputs = _inputs()
    loss = checkpoint(
        lambda *inputs: _loss(list(inputs), implementation), *inputs, use_reentrant=reentrant
    )
    for tensor in inputs:
        tensor.grad = None
    loss.backward()
    plain = _gradients(_loss(inputs, implementation), inputs)
    assert all(torch.equal(a.grad, b) for a, b in zip(inputs, plain, strict=True))


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_graph_can_be_used_twice(implementation: str, flags: tuple[bool, ...]) -> None:
    inputs = _inputs(flags=flags)
    loss = _loss(inputs, implementation)
    first = _gradients(loss, inputs, retain_graph=True)
    assert all(map(torch.equal, first, _gradients(loss, inputs)))


@needs_triton
def test_a_second_derivative_is_refused_not_wrong() -> None:
    inputs = _inputs()
    with pytest.raises(RuntimeError, match=r"no second derivative.*implementation='reference'"):
        _gradients(_loss(inputs, "triton"), inputs, create_graph=True)


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
