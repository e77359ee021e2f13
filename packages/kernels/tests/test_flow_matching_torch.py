"""Life among torch's own machinery: registration, compilation, export, checkpointing, autograd."""

import pytest
import torch
from kernel_tests import machinery
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import TRACED
from torch import Tensor

import diptych_kernels


def _inputs(batch: int = 2, tokens: int = 3) -> list[Tensor | None]:
    """x, noise, a factor that makes a prediction, weights and a mask."""
    random = torch.Generator().manual_seed(1)
    x, noise, factor = torch.randn(3, batch, tokens, 8, generator=random).to(DEVICE)
    weight = torch.rand(batch, generator=random).to(DEVICE)
    mask = torch.rand(batch, tokens, generator=random).to(DEVICE) > 0.3
    learned = [a.clone().requires_grad_() for a in (x, noise, factor, weight)]
    return [*learned, mask]


def _loss(inputs: machinery.Inputs, implementation: str | None) -> Tensor:
    x, noise, factor, weight, mask = inputs
    assert x is not None and noise is not None and factor is not None and weight is not None
    t = weight.detach()
    mixed = diptych_kernels.flow_interpolate(x, noise, t, implementation=implementation)
    losses = diptych_kernels.flow_matching_loss(
        mixed * factor, x, noise, weight=weight, mask=mask, implementation=implementation
    )
    return losses.sin().sum()


@needs_triton
def test_registration_passes_opcheck() -> None:
    from diptych_kernels.ops.flow_matching import triton  # noqa: F401

    ops = torch.ops.diptych_kernels
    x, noise, prediction, weight, mask = (a.detach() for a in _inputs() if a is not None)
    torch.library.opcheck(ops.flow_interpolate.default, (x.half(), noise, weight))
    torch.library.opcheck(
        ops.flow_matching_errors.default, (prediction.bfloat16(), x, noise, mask, True)
    )
    torch.library.opcheck(ops.flow_matching_errors.default, (prediction, x, noise, None, False))
    factors = torch.stack([weight, -weight], 1)
    torch.library.opcheck(ops.flow_matching_scale.default, (x, factors, torch.float16, None))


@pytest.mark.parametrize("implementation", TRACED)
def test_compiles_as_one_graph_with_any_number_of_tokens(implementation: str) -> None:
    draws = [_inputs(batch, tokens) for batch, tokens in ((2, 3), (4, 5))]
    machinery.assert_one_graph(_loss, draws, implementation)


@needs_triton
def test_exports() -> None:
    def call(prediction: Tensor, x: Tensor, noise: Tensor) -> Tensor:
        return diptych_kernels.flow_matching_loss(prediction, x, noise, implementation="triton")

    short = torch.randn(3, 2, 3, 8).to(DEVICE).unbind()
    long = [torch.cat([a, a], 1) for a in short]
    machinery.assert_exports(call, short, long)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_graph_can_be_checkpointed_and_used_twice(implementation: str) -> None:
    machinery.assert_usable_twice(_loss, _inputs(), implementation)
    machinery.assert_checkpoints(_loss, _inputs(), implementation)


@needs_triton
def test_a_second_derivative_is_refused_not_wrong() -> None:
    machinery.assert_refuses_second_derivative(_loss, _inputs())
