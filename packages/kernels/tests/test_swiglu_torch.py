"""The reference's derivatives, bad input, and life among torch's own machinery."""

from typing import Any

import pytest
import torch
from kernel_tests import machinery
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import TRACED
from torch import Tensor
from torch.nn.functional import silu

import diptych_kernels
from diptych_kernels.ops.swiglu.reference import swiglu_reference


def _inputs(batch: int = 2, tokens: int = 3) -> list[Tensor | None]:
    random = torch.Generator().manual_seed(1)
    gate, up = torch.randn(2, batch, tokens, 8, generator=random).to(DEVICE)
    return [gate.clone().requires_grad_(), up.clone().requires_grad_()]


def _loss(inputs: machinery.Inputs, implementation: str | None) -> Tensor:
    gate, up = inputs
    assert gate is not None and up is not None
    return diptych_kernels.swiglu(gate, up, implementation=implementation).sin().sum()


def test_first_and_second_derivatives_of_the_reference() -> None:
    inputs = torch.randn(2, 1, 3, 4, dtype=torch.float64).requires_grad_().unbind()
    assert torch.autograd.gradcheck(swiglu_reference, inputs)
    assert torch.autograd.gradgradcheck(swiglu_reference, inputs)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (2, 3, 5, 4), (2, 0, 4)])
def test_any_number_of_axes(shape: tuple[int, ...]) -> None:
    gate, up = torch.randn(2, *shape)
    assert torch.equal(diptych_kernels.swiglu(gate, up), silu(gate) * up)


def test_a_float32_silu_rounded_in_between_differs_by_that_rounding_only() -> None:
    """Lumina and the language models round silu(gate) to bfloat16, then the product."""
    gate, up = torch.randn(2, 64, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    twice = silu(gate.float()).bfloat16() * up
    once = diptych_kernels.swiglu(gate, up)
    unit = 2.0 ** (once.abs().clamp_min(1e-30).float().log2().floor() - 7)
    assert ((once.float() - twice.float()).abs() <= unit).all()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"gate": None}, TypeError, ["swiglu: gate must be a tensor", "NoneType"]),
        ({"up": torch.zeros(2, 3).int()}, TypeError, ["up must be one of", "torch.int32"]),
        ({"up": torch.zeros(2, 4)}, ValueError, ["up", "'... f' = [2, 3]", "got [2, 4]"]),
        ({"gate": torch.tensor(1.0)}, ValueError, ["gate must have shape '... f'"]),
        ({"up": torch.zeros(2, 3, device="meta")}, ValueError, ["up must be on cpu", "meta"]),
        ({"implementation": "fast"}, ValueError, ["'fast'"]),
    ],
)
def test_says_what_is_wrong(
    change: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as raised:
        diptych_kernels.swiglu(**({"gate": torch.zeros(2, 3), "up": torch.zeros(2, 3)} | change))
    for word in words:
        assert word in str(raised.value)


@needs_triton
def test_registration_passes_opcheck() -> None:
    from diptych_kernels.ops.swiglu import triton  # noqa: F401

    ops = torch.ops.diptych_kernels
    gate, up = (a.detach() for a in _inputs() if a is not None)
    torch.library.opcheck(ops.swiglu_forward.default, (gate.bfloat16(), up))
    torch.library.opcheck(ops.swiglu_backward.default, (gate, gate, up.half(), True, True))
    torch.library.opcheck(ops.swiglu_backward.default, (gate, gate, up, True, False))


@pytest.mark.parametrize("implementation", TRACED)
def test_compiles_as_one_graph_with_any_number_of_tokens(implementation: str) -> None:
    draws = [_inputs(batch, tokens) for batch, tokens in ((2, 3), (4, 5))]
    machinery.assert_one_graph(_loss, draws, implementation)


@needs_triton
def test_exports() -> None:
    def call(gate: Tensor, up: Tensor) -> Tensor:
        return diptych_kernels.swiglu(gate, up, implementation="triton")

    short = torch.randn(2, 2, 3, 8).to(DEVICE).unbind()
    machinery.assert_exports(call, short, [torch.cat([a, a], 1) for a in short])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_graph_can_be_checkpointed_and_used_twice(implementation: str) -> None:
    machinery.assert_usable_twice(_loss, _inputs(), implementation)
    machinery.assert_checkpoints(_loss, _inputs(), implementation)


@needs_triton
def test_a_second_derivative_is_refused_not_wrong() -> None:
    machinery.assert_refuses_second_derivative(_loss, _inputs())
