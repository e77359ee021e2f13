"""BLIP3-o checkpoints that are not what they should be: a clear error before memory is spent, nothing half-written."""

import json
import shutil
from functools import partial

import pytest
import torch
from integration_cases import spoiled
from integration_cases.spoiled import config, tensors
from safetensors.torch import load_file, save_file

from diptych.errors import CheckpointError, SpecError
from diptych.importing.bring import import_checkpoint


refused = partial(spoiled.refused, "blip3o")


@pytest.fixture
def folder(blip3o_folder, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(blip3o_folder, tmp_path / "theirs")


def test_another_family(folder):
    config(folder, model_type="janus")
    assert "model_type 'janus', but this importer reads blip3o_qwen or blip3o_qwen_inference" in refused(folder)


@pytest.mark.parametrize("key", ["hidden_size", "n_query", "gen_pooling", "vocab_size"])
def test_a_config_without_a_needed_field(folder, key):
    config(folder, **{key: None})
    assert f"config.json has no '{key}'" in refused(folder)


def test_sizes_that_the_weights_do_not_have(folder):
    config(folder, n_query=64, intermediate_size=128)
    text = refused(folder)
    assert "model.latent_queries gives [16, 64], generate.features.condition.queries is [64, 64]" in text
    assert text.count("mlp.gate_proj.weight") == 4


def test_pictures_of_another_width(folder):
    config(folder, gen_pooling="early_pool2d_3")
    assert "pool 3 does not divide the grid of 8 x 8 patches" in refused(folder, SpecError)


def test_a_pooling_that_is_none(folder):
    config(folder, gen_pooling="late_pool1d")
    assert "'late_pool1d' in config.json is not of the form early_pool2d_4" in refused(folder)


def test_a_tower_without_a_name(folder):
    config(folder, gen_vision_config=None)
    assert "names the tower 'eva-clip-tiny-a'" in refused(folder)


def test_tensors_that_are_missing_or_too_many(folder):
    def change(found):
        found["model.dit.model.layers.0.extra"] = found.pop("model.dit.model.layers.0.norm2.weight")
        found["model.mm_projector.weight"] = torch.zeros(2, 3)
        del found["model.layers.1.self_attn.q_proj.bias"]

    tensors(folder, change)
    text = refused(folder)
    for line in (
        "unexpected: model.dit.model.layers.0.extra becomes generate.features.head.network.layers.0.extra",
        "missing: nothing in the checkpoint becomes generate.features.head.network.layers.0.norm2.weight F32 [48]",
        "unexpected: model.mm_projector.weight F32 [2 3]",
        "becomes backbone.model.model.language_model.layers.1.self_attn.q_proj.bias F32 [64]",
    ):
        assert line in text


def test_numbers_that_are_none(folder):
    tensors(folder, lambda found: found["model.norm.weight"].fill_(float("nan")))
    assert "model.norm.weight: NaN or infinity in model.safetensors" in refused(folder)


def test_a_truncated_file(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert "not a whole safetensors file" in refused(folder)


def test_missing_shards(folder):
    whole = load_file(folder / "model.safetensors")
    names = {name: f"model-0000{1 + index % 3}-of-00003.safetensors" for index, name in enumerate(sorted(whole))}
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    own = {name: value for name, value in whole.items() if names[name].startswith("model-00002")}
    save_file(own, folder / "model-00002-of-00003.safetensors")
    text = refused(folder)
    assert "lacks 2 of 3 shards: model-00001-of-00003.safetensors, model-00003-of-00003.safetensors" in text


def test_the_other_released_size(folder):
    """A config of the 8B model beside the weights of a smaller one."""
    config(folder, hidden_size=3584, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4)
    with pytest.raises((CheckpointError, SpecError)):
        import_checkpoint("blip3o", folder, folder.parent / "ours")
    assert not (folder.parent / "ours").exists()


def test_weights_of_a_newer_transformers(folder):
    """Version 5 calls the tensors of the language model otherwise; nothing of them is guessed."""

    def change(found):
        for name in [each for each in found if each.startswith("model.layers.")]:
            found[name.replace("model.", "model.language_model.", 1)] = found.pop(name)

    tensors(folder, change)
    text = refused(folder)
    assert "unexpected: model.language_model.layers.0.input_layernorm.weight F32 [64]" in text
    assert "missing: nothing in the checkpoint becomes backbone.model.model.language_model.layers.0" in text


def test_nothing_is_read_before_all_is_checked(folder, monkeypatch):
    """Problems of names and shapes are told before memory is spent on a tensor."""
    from diptych.importing.stored import StoredTensors

    config(folder, n_query=64)
    monkeypatch.setattr(StoredTensors, "read", lambda *_: pytest.fail("a tensor was read"))
    assert "model.latent_queries gives [16, 64]" in refused(folder)


def test_a_tokenizer_whose_ids_are_others(folder):
    config(folder, image_token_id=450)
    assert "'<|image_pad|>' is 455 in the tokenizer, but 450 in the spec" in refused(folder, SpecError)


def test_a_tokenizer_without_the_tokens(folder):
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"[IMG]"', '"[PIC]"'))
    assert "the tokenizer has no token '[IMG]'" in refused(folder, SpecError)


def test_a_tokenizer_of_another_model(folder):
    config(folder, vocab_size=460)
    assert "it has 468 tokens, but the tables have 460 rows" in refused(folder, SpecError)


def test_no_tokenizer(folder):
    (folder / "tokenizer.json").unlink()
    assert "has no tokenizer.json; write one with transformers" in refused(folder)


def test_an_output_that_is_said_to_be_tied_and_is_not(folder):
    config(folder, tie_word_embeddings=True)
    assert "lm_head.weight should repeat model.embed_tokens.weight, but holds other numbers" in refused(folder)


def test_a_slot_that_cannot_be_asked_for(folder):
    assert "`blip3o` leaves out vision.clip" in refused(folder, include=["vision.eye"])


@pytest.mark.parametrize("place", ["nowhere", "./org/name"])
def test_no_folder(tmp_path, place):
    with pytest.raises(CheckpointError, match="is no folder; give the folder of a checkpoint, or a hub id"):
        import_checkpoint("blip3o", tmp_path / place, tmp_path / "ours")
