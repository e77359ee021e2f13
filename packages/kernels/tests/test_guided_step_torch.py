"""Life among torch's own machinery: registration, compilation, export, CUDA graphs."""

from typing import Any

import pytest
import torch
from kernel_tests import machinery
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from torch import Tensor

from diptych_kernels import guided_step


def _inputs(batch: int = 2, size: int = 6) -> tuple[Tensor, ...]:
    random = torch.Generator().manual_seed(size)
    return tuple(torch.randn(4, batch, size, generator=random).to(DEVICE).unbind())


def _step(tensors: tuple[Tensor, ...], **options: Any) -> tuple[Tensor, Tensor]:
    x, conditional, null, before = tensors
    out = guided_step(
        x, conditional, null, before=before, rescale=0.7, return_velocity=True, **options
    )
    assert isinstance(out, tuple)
    return out


@needs_triton
@pytest.mark.parametrize("full", [False, True])
def test_registration_passes_opcheck(full: bool) -> None:
    from diptych_kernels.ops.guided_step import triton  # noqa: F401

    x, conditional, null, before = _inputs()
    numbers = [torch.tensor(a, device=DEVICE) for a in (0.1, 3.0, 1.0)]
    optional = (null.bfloat16(), before) if full else (None, None)
    arguments = (x, conditional.bfloat16(), *optional, *numbers, 0.7 if full else 0.0, full)
    torch.library.opcheck(torch.ops.diptych_kernels.guided_step.default, arguments)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_compiles_as_one_graph_for_all_steps(implementation: str) -> None:
    """With tensors for what changes: torch.compile compiles a number in."""
    compiled, graphs = machinery.one_graph(_step)
    for batch, size, dt, scale in ((2, 6, 0.5, 3.0), (3, 9, 0.25, 1.0)):
        tensors = _inputs(batch, size)
        numbers = {"dt": torch.tensor(dt, device=DEVICE), "scale": torch.tensor(scale).to(DEVICE)}
        expected = _step(tensors, dt=dt, scale=scale)
        torch.testing.assert_close(
            compiled(tensors, **numbers, implementation=implementation), expected
        )
    assert len(graphs) == 1


@needs_triton
def test_exports() -> None:
    class Step(torch.nn.Module):
        def forward(self, x: Tensor, conditional: Tensor, null: Tensor, dt: Tensor) -> Tensor:
            out = guided_step(x, conditional, null, dt=dt, scale=3.0, implementation="triton")
            assert isinstance(out, Tensor)
            return out

    inputs = (*_inputs()[:3], torch.tensor(0.1, device=DEVICE))
    program = torch.export.export(Step(), inputs)
    other = (*(-a for a in inputs[:3]), 2 * inputs[3])
    torch.testing.assert_close(program.module()(*other), Step()(*other))


@pytest.mark.skipif(DEVICE.type != "cuda", reason="CUDA graphs need a GPU")
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_captured_step_is_replayed_for_another_time(implementation: str) -> None:
    tensors, dt = _inputs(), torch.tensor(0.5, device=DEVICE)
    scale = torch.tensor(3.0, device=DEVICE)
    options = {"dt": dt, "scale": scale, "implementation": implementation}
    _step(tensors, **options)  # compiles
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = _step(tensors, **options)
    dt.fill_(0.25)
    scale.fill_(1.0)
    graph.replay()
    expected = _step(tensors, dt=0.25, scale=1.0, implementation=implementation)
    assert all(map(torch.equal, captured, expected))
