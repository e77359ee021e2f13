"""Specs -> plain data -> files -> specs: nothing is lost on the way."""

import json

import attrs
import pytest
from core_cases.examples import examples
from core_cases.small import model_spec, recipe
from core_cases.strategies import model_specs
from hypothesis import given
from torch import nn

from diptych.errors import OutputError, UnregisteredPartError
from diptych.ports import Ports
from diptych.spec.files import read_spec, spec_hash, write_spec
from diptych.spec.model import ModelSpec
from diptych.spec.part import InlinePart
from diptych.spec.recipe import Recipe
from diptych.spec.structure import structure, unstructure


@given(model_specs())
@examples(120)
def test_plain_data_says_all_of_a_spec(spec):
    data = unstructure(spec)
    assert structure(data, ModelSpec) == spec
    assert structure(json.loads(json.dumps(data)), ModelSpec) == spec


@pytest.mark.parametrize("suffix", ["yaml", "json"])
@given(spec=model_specs())
@examples(40)
def test_files_say_all_of_a_spec(tmp_path_factory, spec, suffix):
    path = tmp_path_factory.mktemp("files") / f"model.{suffix}"
    write_spec(spec, path)
    assert read_spec(path) == spec


def test_a_recipe_survives_a_file(tmp_path):
    write_spec(recipe(), tmp_path / "recipe.yaml")
    read = read_spec(tmp_path / "recipe.yaml", Recipe)
    assert attrs.evolve(read, model="model.yaml") == recipe()
    assert read.model == str(tmp_path / "model.yaml")


def test_fields_at_their_defaults_are_left_out():
    assert unstructure(model_spec().backbone) == {"type": "plain-transformer", "width": 16, "heads": 2}


def test_a_value_equal_to_its_default_but_of_another_type_is_written():
    spec = structure({"name": "x", "model": "m", "data": {}, "seed": 0, "stages": []} | _stages(), Recipe)
    assert unstructure(attrs.evolve(spec, seed=False))["seed"] is False


def _stages():
    return {"stages": unstructure(recipe())["stages"]}


@given(model_specs())
@examples(30)
def test_the_hash_follows_from_the_content(spec):
    again = structure(unstructure(spec), ModelSpec)
    assert spec_hash(spec) == spec_hash(again)
    assert spec_hash(spec) != spec_hash(attrs.evolve(spec, name=spec.name + "!"))


def test_presets_are_expanded_on_save():
    data = {"type": "hf-causal-lm", "preset": "qwen2.5-7b"}
    from diptych.backbones.hf_causal_lm import HFCausalLMSpec

    name = next(iter(HFCausalLMSpec.presets()))
    spec = model_spec(backbone={**data, "preset": name})
    written = unstructure(spec)["backbone"]
    assert "preset" not in written
    assert spec.backbone == HFCausalLMSpec.preset(name)
    assert written["width"] == HFCausalLMSpec.presets()[name]["width"]


def test_a_part_made_in_code_cannot_be_written_and_the_error_says_how_to_register_it(tmp_path):
    inline = InlinePart("connector", nn.Linear(2, 2), Ports())
    spec = attrs.evolve(model_spec(), understand=attrs.evolve(model_spec().understand, connector=inline))
    with pytest.raises(UnregisteredPartError, match="diptych_register_connector") as caught:
        write_spec(spec, tmp_path / "model.yaml")
    assert "Linear" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="choose another place"):
        write_spec(model_spec(), tmp_path / "not" / "there.yaml")


def test_a_hash_does_not_depend_on_where_files_lie():
    from diptych.spec.recipe import Recipe

    data = {"name": "r", "data": {}, "stages": [_STAGE]}
    here, there = (structure({**data, "model": f"{folder}/model.yaml"}, Recipe) for folder in ("/a", "/b/c"))
    other = structure({**data, "model": "/a/another.yaml"}, Recipe)
    assert spec_hash(here) == spec_hash(there) != spec_hash(other)


_STAGE = {
    "name": "s",
    "train": ["decode"],
    "mixture": {},
    "losses": {"r": {"objective": {"type": "reconstruct"}}},
    "steps": 1,
}
