"""Life among torch's own machinery: registration, compilation, export, checkpointing, autograd."""

import pytest
import torch
from kernel_tests import machinery
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from kernel_tests.effort import TRACED
from torch import Tensor

import diptych_kernels


HEADS, KV_HEADS, WIDTH = 10, 5, 14


def _inputs(batch: int = 2, tokens: int = 3, norm: str | None = "row") -> list[Tensor | None]:
    """q, k, cos, sin, and two weights and two biases where the norm has them."""
    random = torch.Generator().manual_seed(1)

    def draw(*shape: int, learned: bool = True) -> Tensor:
        return torch.randn(*shape, generator=random).to(DEVICE).requires_grad_(learned)

    sizes = {"row": (HEADS * WIDTH, KV_HEADS * WIDTH), "head": (WIDTH, WIDTH)}.get(norm or "", ())
    parameters: list[Tensor | None] = [draw(size) for size in sizes] or [None, None]
    biases: list[Tensor | None] = [draw(size) for size in sizes] if norm == "row" else [None, None]
    return [
        draw(batch, tokens, HEADS, WIDTH), draw(batch, tokens, KV_HEADS, WIDTH),
        draw(tokens, WIDTH // 2, learned=False), draw(tokens, WIDTH // 2, learned=False),
        *parameters, *biases,
    ]  # fmt: skip


def _call(inputs: machinery.Inputs, implementation: str | None) -> tuple[Tensor, Tensor]:
    q, k, cos, sin, q_weight, k_weight, q_bias, k_bias = inputs
    assert q is not None and k is not None and cos is not None and sin is not None
    norm = "row" if q_bias is not None else "head" if q_weight is not None else None
    return diptych_kernels.qk_norm_rope(
        q, k, cos, sin, q_weight=q_weight, k_weight=k_weight, q_bias=q_bias, k_bias=k_bias,
        norm=norm, pairs="adjacent" if norm == "row" else "halves", implementation=implementation,
    )  # fmt: skip


def _loss(inputs: machinery.Inputs, implementation: str | None) -> Tensor:
    q, k = _call(inputs, implementation)
    return q.sin().sum() + k.square().sum()


@needs_triton
def test_registration_passes_opcheck() -> None:
    from diptych_kernels.ops.qk_norm_rope import triton  # noqa: F401

    ops = torch.ops.diptych_kernels
    row = [None if a is None else a.detach() for a in _inputs()]
    head = [None if a is None else a.detach() for a in _inputs(norm="head")]
    without = (row[0].bfloat16(), None, *row[2:4], *[None] * 4, None, "halves", 1e-5)
    torch.library.opcheck(ops.qk_norm_rope_forward.default, without)
    torch.library.opcheck(
        ops.qk_norm_rope_backward.default, (row[0], row[1], *row, "row", "adjacent", 1e-5)
    )
    torch.library.opcheck(
        ops.qk_norm_rope_backward.default, (None, head[1], *head, "head", "halves", 1e-5)
    )


@pytest.mark.parametrize("implementation", TRACED)
def test_compiles_as_one_graph_with_any_number_of_tokens(implementation: str) -> None:
    # Lengths that no other axis has: torch takes equal ones for the same.
    draws = [_inputs(batch, tokens) for batch, tokens in ((2, 3), (3, 4))]
    machinery.assert_one_graph(_loss, draws, implementation)


@needs_triton
def test_exports() -> None:
    short = [a.detach() for a in _inputs(tokens=3, norm=None)[:2] if a is not None]
    short += torch.randn(2, 2, 3, WIDTH // 2).to(DEVICE).unbind()

    def call(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        return diptych_kernels.qk_norm_rope(q, k, cos, sin, implementation="triton")

    machinery.assert_exports(call, short, [torch.cat([a, a], 1) for a in short])


@pytest.mark.parametrize("norm", ["row", None])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_graph_can_be_checkpointed_and_used_twice(implementation: str, norm: str | None) -> None:
    machinery.assert_usable_twice(_loss, _inputs(norm=norm), implementation)
    machinery.assert_checkpoints(_loss, _inputs(norm=norm), implementation)


@needs_triton
def test_a_second_derivative_is_refused_not_wrong() -> None:
    machinery.assert_refuses_second_derivative(_loss, _inputs())


@pytest.mark.parametrize("norm", ["row", "head"])
def test_module_is_the_function_with_its_weights(norm: str) -> None:
    inputs = _inputs(norm=norm)
    pairs = "adjacent" if norm == "row" else "halves"
    module = diptych_kernels.QkNormRope(
        HEADS, KV_HEADS, WIDTH, norm=norm, pairs=pairs, implementation="reference", device=DEVICE
    )
    names = ("q_weight", "k_weight", "q_bias", "k_bias")
    state = {n: a for n, a in zip(names, inputs[4:], strict=True) if a is not None}
    assert dict(module.named_parameters()).keys() == state.keys()
    module.load_state_dict(state)
    assert all(map(torch.equal, module(*inputs[:4]), _call(inputs, "reference")))
    with pytest.raises(ValueError, match="norm must be one of head, row, got 'layer'"):
        diptych_kernels.QkNormRope(1, 1, 2, norm="layer")
