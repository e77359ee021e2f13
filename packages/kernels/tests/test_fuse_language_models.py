"""Parity with transformers' own language models, tiny ones, before and after ``fuse_``."""

from typing import Any

import pytest
import torch
from kernel_tests.devices import DEVICE
from torch import nn

from diptych_kernels import fuse_, unfuse_


transformers = pytest.importorskip("transformers")

SIZES: dict[str, Any] = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
}  # fmt: skip
FAMILIES = {"Llama": {}, "Qwen2": {}, "Qwen3": {"head_dim": 16}}


def _model(family: str) -> Any:
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**SIZES, **FAMILIES[family])
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval().to(DEVICE)
    for parameter in model.parameters():  # norms are ones, and would hide an exchanged weight
        nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_a_language_model_stays_what_it_is(family: str) -> None:
    model = _model(family)
    ids = torch.randint(0, 40, (2, 9), generator=torch.Generator().manual_seed(0)).to(DEVICE)
    mask = torch.ones_like(ids)
    mask[0, :3] = 0  # padded on the left: positions differ between samples
    inputs = {"input_ids": ids, "attention_mask": mask, "labels": ids}

    def outcome() -> tuple[Any, ...]:
        model.zero_grad()
        found = model(**inputs, output_hidden_states=True)
        found.loss.backward()
        grads = {name: a.grad.clone() for name, a in model.named_parameters()}
        return found.logits.detach(), found.hidden_states, grads

    def greedy() -> torch.Tensor:
        return model.generate(ids, attention_mask=mask, max_new_tokens=4, do_sample=False)

    plain, written = outcome(), greedy()
    report = fuse_(model)
    kinds = {module.kind: module.operations for module in report.replaced}
    assert kinds == {
        f"{family}DecoderLayer": ("gated_residual_norm",),
        f"{family}Attention": ("qk_norm_rope",),
        f"{family}MLP": ("swiglu",),
    }
    assert len(report.replaced) == 6 and not report.kept
    fused = outcome()
    torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-4)
    assert torch.equal(greedy(), written), "another way through the cache"
    unfuse_(model)
    assert all(map(torch.equal, outcome()[1], plain[1]))


def test_qwen_vl_turns_by_three_positions() -> None:
    """Its table is merged from three before the layers; text and vision share the swap."""
    vl = pytest.importorskip("transformers.models.qwen2_5_vl.modeling_qwen2_5_vl")
    turns = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
    config = transformers.Qwen2_5_VLTextConfig(**SIZES, rope_parameters=turns)
    torch.manual_seed(0)
    model = vl.Qwen2_5_VLTextModel(config).eval().to(DEVICE)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    ids = torch.randint(0, 40, (2, 6)).to(DEVICE)
    positions = torch.randint(0, 20, (3, 2, 6)).to(DEVICE)
    plain = model(input_ids=ids, position_ids=positions).last_hidden_state
    report = fuse_(model)
    assert {module.kind for module in report.replaced} == {
        "Qwen2_5_VLDecoderLayer", "Qwen2_5_VLAttention", "Qwen2MLP",
    }  # fmt: skip
    fused = model(input_ids=ids, position_ids=positions).last_hidden_state
    torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-4)


def _vision(**options: Any) -> Any:
    vl = pytest.importorskip("transformers.models.qwen2_5_vl.modeling_qwen2_5_vl")
    config = transformers.Qwen2_5_VLConfig().vision_config.__class__(
        depth=2, hidden_size=32, intermediate_size=48, num_heads=2, out_hidden_size=24,
        patch_size=4, window_size=16, fullatt_block_indexes=[1], **options,
    )  # fmt: skip
    torch.manual_seed(0)
    model = vl.Qwen2_5_VisionTransformerPretrainedModel(config).eval().to(DEVICE)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def test_the_vision_tower_of_qwen_vl_stays_what_it_is() -> None:
    """Two pictures of different sizes; the first block attends in windows."""
    model = _vision()
    grid = torch.tensor([[1, 8, 4], [1, 4, 4]], device=DEVICE)
    patches = torch.randn(48, 3 * 2 * 4 * 4, generator=torch.Generator().manual_seed(0)).to(DEVICE)

    def outcome() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        model.zero_grad()
        out = model(patches, grid)
        out = getattr(out, "pooler_output", out)
        out.square().mean().backward()
        return out.detach(), {name: a.grad.clone() for name, a in model.named_parameters()
                              if a.grad is not None}  # fmt: skip

    plain = outcome()
    report = fuse_(model)
    assert {module.kind: module.operations for module in report.replaced} == {
        "Qwen2_5_VLVisionBlock": ("gated_residual_norm",),
        "Qwen2_5_VLVisionAttention": ("qk_norm_rope",),
        "Qwen2_5_VLMLP": ("swiglu",),
    }
    assert len(report.replaced) == 6 and not report.kept, str(report)
    assert plain[1].keys() == outcome()[1].keys()
    torch.testing.assert_close(outcome(), plain, rtol=2e-4, atol=2e-4)
    unfuse_(model)
    assert torch.equal(outcome()[0], plain[0])
    model.blocks[0].attn.config._attn_implementation = "flash_attention_2"
    kept = {module.kind: module.reason for module in fuse_(model).kept}
    assert "all pictures at once" in kept["Qwen2_5_VLVisionAttention"]


def test_siglip_is_kept_with_a_reason() -> None:
    config = transformers.SiglipVisionConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
        image_size=8, patch_size=4,
    )  # fmt: skip
    report = fuse_(transformers.SiglipVisionModel(config))
    assert not report.replaced
    assert {module.kind for module in report.kept} == {"SiglipEncoderLayer", "SiglipMLP"}
    assert all("torch has them fused" in m.reason or "GELU" in m.reason for m in report.kept)
