"""What torch's own machinery must do with every operation: compile, export, checkpoint, repeat.

``loss`` maps inputs (None for an absent one) and the name of an implementation to a scalar.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


Inputs = Sequence[Tensor | None]
Loss = Callable[[Inputs, str | None], Tensor]


def gradients(loss: Tensor, inputs: Inputs, **options: bool) -> tuple[Tensor, ...]:
    """Of all inputs that require one."""
    return torch.autograd.grad(
        loss, [a for a in inputs if a is not None and a.requires_grad], **options
    )


def one_graph(call: Callable[..., Any]) -> tuple[Callable[..., Any], list[torch.fx.GraphModule]]:
    """``call`` compiled for any length without a break, and a list of the graphs torch makes."""
    torch.compiler.reset()
    graphs = []

    def backend(graph: torch.fx.GraphModule, example: list[Any]) -> object:
        run = torch._dynamo.lookup_backend("aot_eager")(graph, example)
        graphs.append(graph)  # not where that fixes a number and torch traces once more
        return run

    return torch.compile(call, fullgraph=True, dynamic=True, backend=backend), graphs


def assert_one_graph(loss: Loss, draws: Sequence[Inputs], implementation: str) -> None:
    """Compiles ``loss`` once for inputs of several lengths, without a break, and compares."""
    compiled, graphs = one_graph(loss)
    after_first = 0
    for inputs in draws:
        eager, graph = loss(inputs, "reference"), compiled(inputs, implementation)
        torch.testing.assert_close(graph, eager)
        torch.testing.assert_close(gradients(graph, inputs), gradients(eager, inputs))
        after_first = after_first or len(graphs)  # torch may trace the first twice, for eps
    assert len(graphs) == after_first > 0


def assert_exports(
    call: Callable[..., Any], short: Sequence[Tensor], long: Sequence[Tensor]
) -> None:
    """Exports with a free length along axis 1 of every input, and runs on longer ones."""

    class Exported(torch.nn.Module):
        def forward(self, *inputs: Tensor) -> Any:
            return call(*inputs)

    tokens = torch.export.Dim("tokens", min=1, max=64)
    shapes = tuple({1: tokens} if a.shape != b.shape else None
                   for a, b in zip(short, long, strict=True))  # fmt: skip
    program = torch.export.export(Exported(), tuple(short), dynamic_shapes=(shapes,))
    torch.testing.assert_close(program.module()(*long), call(*long))


def assert_checkpoints(loss: Loss, inputs: Inputs, implementation: str) -> None:
    """Activation checkpointing, both kinds, changes no bit of a gradient."""
    plain = gradients(loss(inputs, implementation), inputs)
    for reentrant in (False, True):
        recomputed = checkpoint(
            lambda *inputs: loss(inputs, implementation), *inputs, use_reentrant=reentrant
        )
        leaves = [a for a in inputs if a is not None and a.requires_grad]
        for tensor in leaves:
            tensor.grad = None
        recomputed.backward()
        assert all(
            tensor.grad is not None and torch.equal(tensor.grad, expected)
            for tensor, expected in zip(leaves, plain, strict=True)
        )


def assert_usable_twice(loss: Loss, inputs: Inputs, implementation: str) -> None:
    """A second backward through the same graph gives the same bits."""
    value = loss(inputs, implementation)
    first = gradients(value, inputs, retain_graph=True)
    assert all(map(torch.equal, first, gradients(value, inputs)))


def assert_refuses_second_derivative(loss: Loss, inputs: Inputs) -> None:
    """``create_graph=True`` through the kernels is an error that names the reference."""
    with pytest.raises(RuntimeError, match=r"no second derivative.*implementation='reference'"):
        gradients(loss(inputs, "triton"), inputs, create_graph=True)
