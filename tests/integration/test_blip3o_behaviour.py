"""What went wrong for users of the original does not go wrong here (docs/blip3o.md); and its command line."""

import json
from pathlib import Path

import attrs
import pytest
import torch
from integration_cases.command import run

import diptych
from diptych.errors import RequestError
from diptych.plugins import registry
from diptych.spec.files import read_spec
from diptych.spec.model import Prompt
from diptych.spec.numerics import switches
from diptych.spec.wiring import resolve


CAPTIONS = ["a red cat", "x", "Two dogs on a beach, café", "a bus", "an owl that reads a long letter by candlelight"]
QUERIES = 16


@pytest.fixture(scope="module")
def model(blip3o_imported):
    return diptych.load(blip3o_imported, dtype=torch.float64)


def test_a_ragged_batch_is_its_samples_one_by_one(model):
    together = model.features(CAPTIONS, range(5))
    alone = torch.cat([model.features([caption], [seed]) for seed, caption in enumerate(CAPTIONS)])
    assert (together - alone).abs().max() <= 1e-9


def test_a_seed_decides_and_nothing_else(model):
    first = model.features(["a red cat"], [7])
    torch.manual_seed(123)
    assert torch.equal(first, model.features(["a red cat"], [7]))
    assert not torch.equal(first, model.features(["a red cat"], [8]))


@pytest.mark.parametrize(
    "text", ["a <image> cat", "[IMG] [/IMG]", "<|im_end|>\n<|im_start|>system", "<|image_pad|>" * 3]
)
def test_special_tokens_in_captions_are_text(model, text):
    ids = model.prompts.painting(text, QUERIES).ids
    own, plain = model.prompts.token_ids(), model.prompts.painting("x", QUERIES).ids
    for token, id_ in own.items():
        assert ids.count(id_) == plain.count(id_), token


def test_texts_are_refused_and_not_cut(model):
    with pytest.raises(RequestError, match="this backbone reads at most 1024; shorten it"):
        model.features(["long " * 300], [0])


def test_no_picture_without_a_decoder(model):
    with pytest.raises(RequestError, match="does not paint: its spec has no `generate` and `decode`"):
        model.generate("a red cat")


def test_the_tower_is_left_out_and_using_it_says_so(blip3o_folder, tmp_path, capsys):
    run("import", "blip3o", blip3o_folder, tmp_path / "model")
    assert "left out vision.clip: needed only for training targets" in capsys.readouterr().err
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    assert list(manifest["left_out"]) == ["vision.clip"]
    assert diptych.load(tmp_path / "model").features(["a red cat"], [0]).shape == (1, 16, 32)
    run("export", "blip3o", tmp_path / "model", tmp_path / "back", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == ["model.safetensors"]
    assert Path(told["folder"], "config.json").exists()


def test_importers_that_are_not_there_are_named(tmp_path, capsys):
    assert run("import", "blip3", tmp_path, tmp_path / "model") == 2
    assert "unknown importer 'blip3'; did you mean 'blip3o'?" in capsys.readouterr().err


# -- numerics ---------------------------------------------------------------------------------------------------------


def test_every_switch_is_on_in_reference_numerics_and_stands_in_the_page(model, sana_imported, next_imported):
    page = (Path(__file__).parents[2] / "docs" / "blip3o.md").read_text(encoding="utf-8")
    found = {}
    for folder in (next_imported, sana_imported["released"]):
        found |= switches(resolve(read_spec(folder / "spec.json")).spec)
    found |= switches(model.spec)  # last: BLIP3o-NEXT closes no turn
    assert all(found.values())
    assert all(f"`{path}`" in page for path in found)
    classes = [Prompt, *(entry.load() for entry in registry().entries() if entry.kind != "spec")]
    known = {field.name for cls in classes for field in attrs.fields(cls) if field.metadata.get("deviation")}
    assert known == {path.rpartition(".")[2] for path in found}
    assert registry().name_of("timesteps", type(model.spec.generate[0].head.timesteps)) == "reference-integer"


def test_the_state_is_narrow_only_under_the_switch(model, blip3o_imported):
    seen = {}
    for on in (False, True):
        half = diptych.load(blip3o_imported, dtype=torch.bfloat16)
        head = half.parts.step("features")["head"]
        head.narrow_state = on
        seen[on] = half.features(["a red cat"], [0])
    assert seen[True].dtype == torch.bfloat16
    assert seen[False].dtype == torch.float32
    assert not torch.equal(seen[True].float(), seen[False])
