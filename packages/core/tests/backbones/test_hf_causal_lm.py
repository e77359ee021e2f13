"""`hf-causal-lm` against the official classes, its initial weights, and its adapters."""

import sys

import pytest
import torch
from attrs import evolve
from core_cases.hf import assert_same_gradients, moved, written
from core_cases.small import HF, model_spec
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from diptych import build, load
from diptych.backbones.hf_causal_lm import HFCausalLMSpec
from diptych.backbones.lora import add_lora, merge_lora
from diptych.backbones.lora_spec import Lora
from diptych.errors import CheckpointError, RequestError, SpecError
from diptych.training.optimiser import choose_trained


SIZES = {"width": 16, "layers": 2, "heads": 4, "kv_heads": 2, "mlp_width": 24}
OFFICIAL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "intermediate_size": 24,
    "vocab_size": 32,
    "max_position_embeddings": 64,
}
FAMILIES = {"qwen3": (Qwen3Config, Qwen3ForCausalLM, True), "llama": (LlamaConfig, LlamaForCausalLM, False)}
IDS = torch.tensor([[3, 1, 4, 1, 5], [0, 0, 9, 2, 6]])
MASK = torch.tensor([[True] * 5, [False] * 2 + [True] * 3])


def official(family, folder):
    config, kind, tied = FAMILIES[family]
    torch.manual_seed(0)
    return written(kind(config(**OFFICIAL, tie_word_embeddings=tied)), folder)


def spec_of(family, folder=None, **changes):
    fields = {**SIZES, "tied": FAMILIES[family][2], "extra": {"rms_norm_eps": 1e-6}, "vocabulary": 32, **changes}
    return HFCausalLMSpec(**{"model_type": family, **fields}, weights=str(folder) if folder else None)


def loaded(spec):
    module = spec.build()
    spec.load_weights(module)
    return module.eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_gradients_equal_the_official_ones(family, tmp_path):
    theirs, ours = official(family, tmp_path), loaded(spec_of(family, tmp_path))
    expected = theirs(IDS, attention_mask=MASK.long(), position_ids=(MASK.cumsum(1) - 1).clamp(min=0)).logits
    logits = ours.logits(ours(ours.embed(IDS), MASK))
    torch.testing.assert_close(logits[MASK], expected[MASK], atol=1e-5, rtol=0)
    logits[MASK].square().sum().backward()
    expected[MASK].square().sum().backward()
    assert_same_gradients(ours.model, theirs)


def test_ids_beyond_the_known_ones_start_at_their_mean(tmp_path):
    theirs = official("llama", tmp_path)
    ours = loaded(spec_of("llama", tmp_path, vocabulary=34, known_ids=30))
    for table, given in (
        (ours.model.get_input_embeddings().weight, theirs.get_input_embeddings().weight),
        (ours.model.get_output_embeddings().weight, theirs.get_output_embeddings().weight),
    ):
        assert torch.equal(table[:30], given[:30])
        torch.testing.assert_close(table[30:], given[:30].mean(0, keepdim=True).expand(4, -1))
    shrunk = loaded(spec_of("llama", tmp_path, vocabulary=20))
    assert torch.equal(shrunk.embed(IDS), theirs.get_input_embeddings()(IDS))


def test_all_that_does_not_fit_is_told_and_nothing_is_copied(tmp_path):
    official("llama", tmp_path)
    spec = spec_of("llama", tmp_path, heads=2, kv_heads=1, mlp_width=20, tied=True, extra={"rope_theta": 5e5})
    module = spec.build()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(CheckpointError) as error:
        spec.load_weights(module)
    for words in (
        "num_attention_heads: 4 in the checkpoint, 2 in the spec",
        "tie_word_embeddings: False in the checkpoint, True in the spec",
        "rope_parameters",
        "model.layers.0.mlp.down_proj.weight: [16, 24] in the checkpoint, [16, 20] in the spec",
    ):
        assert words in str(error.value)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_missing_unexpected_and_broken_tensors_are_told(tmp_path):
    official("qwen3", tmp_path)
    spec, file = spec_of("qwen3", tmp_path), tmp_path / "model.safetensors"
    tensors = load_file(file)
    del tensors["model.layers.1.self_attn.q_norm.weight"]
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointError) as error:
        spec.load_weights(spec.build())
    assert "missing: model.layers.1.self_attn.q_norm.weight" in str(error.value)
    assert "model.norm.weight: holds NaN" in str(error.value)
    file.write_bytes(b"not safetensors")
    with pytest.raises(CheckpointError, match="cannot be read"):
        spec.load_weights(spec.build())


@pytest.fixture
def peft():
    return pytest.importorskip("peft")


def test_fresh_adapters_change_nothing_and_alone_train(peft, tmp_path):
    theirs = official("qwen3", tmp_path)
    ours = loaded(spec_of("qwen3", tmp_path, lora=Lora(rank=2)))
    trained = {name for name, each in ours.named_parameters() if each.requires_grad}
    layers = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    assert len(trained) == 2 * 2 * len(layers)
    assert all(".layers." in name and ".lora_" in name for name in trained)
    fixed = {id(each) for each in ours.fixed_parameters()}
    assert {name for name, each in ours.named_parameters() if id(each) not in fixed} == trained
    expected = theirs(IDS, position_ids=torch.arange(5)[None]).logits
    logits = ours.logits(ours(ours.embed(IDS), torch.ones_like(MASK)))
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


def test_adapters_equal_pefts_own_model(peft, tmp_path):
    theirs = official("llama", tmp_path)
    ours = loaded(spec_of("llama", tmp_path, lora=Lora(rank=2, alpha=6.0, on=("q_proj", "down_proj"))))
    config = peft.LoraConfig(r=2, lora_alpha=6.0, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    wrapped = peft.get_peft_model(theirs, config)
    moved(wrapped)
    found = {name.removeprefix("base_model.model."): value for name, value in wrapped.state_dict().items()}
    ours.model.load_state_dict(found)
    expected = wrapped(IDS, position_ids=torch.arange(5)[None]).logits
    logits = ours.logits(ours(ours.embed(IDS), torch.ones_like(MASK)))
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


def test_an_adapter_on_what_is_not_there_is_refused(peft):
    with pytest.raises(SpecError, match=r"'q_prj' is no linear layer here; did you mean 'q_proj'\?"):
        spec_of("qwen3", lora=Lora(on=("q_prj", "lm_head"))).build()


def test_adapters_are_added_trained_saved_and_folded_in(peft, tmp_path):
    model = build(model_spec(**HF))
    add_lora(model, Lora(rank=2))
    with pytest.raises(RequestError, match="already"):
        add_lora(model, Lora(rank=2))
    stage = type("Stage", (), {"train": ("backbone",), "lr_factors": {}})()
    trained = choose_trained(model.parts, stage)
    assert trained
    assert all(".lora_" in name for name in trained)
    for each in trained.values():
        each.data.add_(torch.randn(each.shape, generator=torch.Generator().manual_seed(0)))
    model.parts.eval()
    embeds, mask = torch.randn(2, 4, 16), torch.ones(2, 4, dtype=torch.bool)
    before = model.parts.backbone(embeds, mask)
    model.save(tmp_path / "adapted")
    again = load(tmp_path / "adapted")
    assert again.spec.backbone.lora == Lora(rank=2)
    assert torch.equal(again.parts.backbone(embeds, mask), before)
    merge_lora(again)
    torch.testing.assert_close(again.parts.backbone(embeds, mask), before, atol=1e-5, rtol=0)
    again.save(tmp_path / "folded")
    plain = load(tmp_path / "folded")
    assert plain.spec.backbone.lora is None
    assert torch.equal(plain.parts.backbone(embeds, mask), again.parts.backbone(embeds, mask))
    with pytest.raises(RequestError, match="no adapters"):
        merge_lora(plain)


def test_weights_of_another_family_are_refused(tmp_path):
    official("llama", tmp_path)
    with pytest.raises(CheckpointError):
        loaded(spec_of("qwen3", tmp_path))


def test_a_hub_model_is_the_class_that_transformers_would_choose():
    assert isinstance(spec_of("qwen3").build().model, AutoModelForCausalLM._model_mapping[Qwen3Config])


def test_lora_without_peft_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(SpecError, match=r"pip install 'diptych\[lora\]'"):
        evolve(spec_of("qwen3"), lora=Lora()).build()


def test_rotary_frequencies_stay_exact_in_bfloat16(tmp_path):
    official("qwen3", tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    ours = loaded(spec_of("qwen3", tmp_path)).to(torch.bfloat16)
    assert next(ours.parameters()).dtype == torch.bfloat16
    state, far = torch.zeros(1, 1, 16, dtype=torch.bfloat16), torch.tensor([[1000]])
    turns = [each.rotary_emb(state, far) for each in (ours.model.model, theirs.model)]
    torch.testing.assert_close(*turns, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("family", "extra"),
    [
        ("granite", {"logits_scaling": 4.0, "embedding_multiplier": 2.0, "residual_multiplier": 0.5}),
        ("cohere", {"logit_scale": 0.25}),
        ("gemma2", {"final_logit_softcapping": 0.5, "query_pre_attn_scalar": 4}),
        ("falcon_h1", {"lm_head_multiplier": 3.0, "mamba_d_ssm": 16, "mamba_n_heads": 4, "mamba_d_head": 4}),
    ],
)
def test_logits_are_scaled_and_capped_as_the_family_does(family, extra):
    spec = spec_of("llama", model_type=family, tied=True, extra=extra, attention="eager")
    ours = moved(spec.build())
    with torch.no_grad():
        expected = ours.model(IDS[:1]).logits
        torch.testing.assert_close(ours.logits(ours(ours.embed(IDS[:1]), MASK[:1])), expected, atol=1e-5, rtol=0)


def test_fields_that_no_config_has_are_refused():
    with pytest.raises(ValueError, match="a config of 'qwen3' has no 'rms_norm_epz'; did you mean 'rms_norm_eps'"):
        spec_of("qwen3", extra={"rms_norm_epz": 1e-5}).build()


@pytest.mark.parametrize("extra", [{"hidden_act": "relu"}, {"attention_bias": False, "rms_norm_eps": 1e-5}])
def test_settings_that_no_shape_shows_are_compared(tmp_path, extra):
    official("qwen3", tmp_path)
    spec = spec_of("qwen3", tmp_path, extra={"rms_norm_eps": 1e-6, **extra})
    with pytest.raises(CheckpointError, match=rf"{list(extra)[-1]}: .* in the checkpoint, .* in the spec"):
        spec.load_weights(spec.build())


def test_multipliers_of_a_family_are_compared(tmp_path):
    spec = spec_of("llama", model_type="granite", tied=True, extra={"attention_multiplier": 0.5})
    written(spec.build().model, tmp_path)
    other = evolve(spec, weights=str(tmp_path), extra={"attention_multiplier": 0.25})
    with pytest.raises(CheckpointError, match=r"attention_multiplier: 0\.5 in the checkpoint, 0\.25 in the spec"):
        other.load_weights(other.build())
    loaded(evolve(spec, weights=str(tmp_path)))
