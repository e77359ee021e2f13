"""Parity of both Lumina-Next blocks, ours and diffusers', before and after ``fuse_``."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from kernel_tests.devices import DEVICE
from torch import Tensor, nn

from diptych_kernels import fuse_, unfuse_


OPERATIONS = ("qk_norm_rope", "gated_residual_norm")


def _filled(model: nn.Module) -> nn.Module:
    """Every parameter random: gates are zero and norms one otherwise, which would hide much."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.to(DEVICE)


def _assert_parity(model: nn.Module, call: Callable[[], Tensor], kinds: dict[str, Any]) -> None:
    def outcome() -> tuple[Tensor, dict[str, Tensor]]:
        model.zero_grad()
        out = call()
        out.square().mean().backward()
        grads = {name: a.grad.clone() for name, a in model.named_parameters() if a.grad is not None}
        return out.detach(), grads

    plain = outcome()
    report = fuse_(model)
    assert {module.kind: module.operations for module in report.replaced} == kinds
    assert not report.kept, str(report)
    torch.testing.assert_close(outcome(), plain, rtol=2e-4, atol=2e-5)
    unfuse_(model)
    assert torch.equal(outcome()[0], plain[0])


@pytest.mark.parametrize("qk_norm", [True, False])
def test_our_network(qk_norm: bool) -> None:
    module = pytest.importorskip("diptych_heads.networks.lumina_next_block")
    positions = pytest.importorskip("diptych_heads.networks.positions")
    block = _filled(
        module.LuminaNextBlock(32, 4, 2, 48, 16, qk_norm=qk_norm, eps=1e-5),
    )
    x, time = torch.randn(3, 6, 32, device=DEVICE), torch.randn(3, 16, device=DEVICE)
    caption, null = torch.randn(2, 5, 32, device=DEVICE), torch.randn(1, 1, 32, device=DEVICE)
    mask = torch.ones(2, 5, dtype=torch.bool, device=DEVICE)
    mask[0, :2] = False
    rope = positions.rope_table(2, 3, 8, device=DEVICE)

    def call() -> Tensor:
        return block(x, time, rope, block.prepare(caption), mask, block.prepare_null(null))

    _assert_parity(block, call, {"LuminaNextBlock": OPERATIONS, "GatedFeedForward": ("swiglu",)})


def test_diffusers_model() -> None:
    diffusers = pytest.importorskip("diffusers")
    model = _filled(
        diffusers.LuminaNextDiT2DModel(
            sample_size=8, patch_size=2, in_channels=4, hidden_size=32, num_layers=2,
            num_attention_heads=4, num_kv_heads=2, multiple_of=16, cross_attention_dim=24,
        )
    )  # fmt: skip
    random = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random).to(DEVICE)

    embeddings = pytest.importorskip("diffusers.models.embeddings")
    turns = embeddings.get_2d_rotary_pos_embed_lumina(8, 4, 4)
    inputs = {
        "hidden_states": draw(2, 4, 8, 8), "timestep": torch.tensor([0.2, 0.7], device=DEVICE),
        "encoder_hidden_states": draw(2, 5, 24),
        "encoder_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], device=DEVICE),
        "image_rotary_emb": turns.to(DEVICE),
        "cross_attention_kwargs": {"base_sequence_length": 9},
    }  # fmt: skip
    kinds = {"LuminaNextDiTBlock": OPERATIONS, "LuminaFeedForward": ("swiglu",)}
    _assert_parity(model, lambda: model(**inputs, return_dict=False)[0], kinds)
