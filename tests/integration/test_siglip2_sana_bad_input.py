"""SigLIP2 -> SANA checkpoints that are not what they should be: a clear error, nothing half-written."""

import json
import shutil
from functools import partial

import pytest
from integration_cases import spoiled
from integration_cases.spoiled import config, tensors

from diptych.errors import SpecError


refused = partial(spoiled.refused, "siglip2-sana")


@pytest.fixture
def folder(sana_folders, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(sana_folders["released"], tmp_path / "theirs")


def test_another_family(blip3o_folder, tmp_path):
    folder = shutil.copytree(blip3o_folder, tmp_path / "theirs")
    assert "no tensor transformer.transformer.patch_embed.proj.weight or transformer.patch_embed" in refused(folder)


def test_a_pooling_that_is_none(folder):
    config(folder, num_pooled_tokens=3)
    assert "num_pooled_tokens 3 in config.json is no square such as 64, nor -1 for all" in refused(folder)
    config(folder, num_pooled_tokens=None)
    assert "config.json has no 'num_pooled_tokens'" in refused(folder)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("sana", 'this SANA is 32 wide, and no tensor says how many heads it has (known: widths 2240, 1152)'),
        ("siglip", 'config.json does not say its num_attention_heads and num_hidden_layers; add "siglip": {'),
    ],
)  # fmt: skip
def test_sizes_that_nothing_says(folder, section, says):
    config(folder, **{section: None})
    assert says in refused(folder)


def test_an_autoencoder_of_other_sizes(folder):
    said = json.loads((folder / "config.json").read_text())["vae"]
    config(folder, vae={**said, "encoder_block_out_channels": [8, 16, 64]})
    assert "decode.decoder.autoencoder.model.encoder" in refused(folder)
    config(folder, vae={**said, "latent_channels": 7})
    assert "channels 7 do not divide the last of widths, 32" in refused(folder, SpecError)


def test_tensors_that_are_missing_or_too_many(folder):
    def change(found):
        found["transformer.transformer.extra"] = found.pop("transformer.connector.3.weight")

    tensors(folder, change)
    text = refused(folder)
    assert "unexpected: transformer.transformer.extra F32 [24]" in text
    assert "missing: nothing in the checkpoint becomes decode.decoder.network.connector.3.weight F32 [24]" in text


def test_a_truncated_file_and_a_missing_shard(folder):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert "not a whole safetensors file" in refused(folder)
    path.rename(folder / "model-00001-of-00002.safetensors")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert "lacks 1 of 2 shards: model-00002-of-00002.safetensors" in refused(folder)
