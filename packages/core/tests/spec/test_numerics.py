"""Reference numerics: one word puts every switch on, one that was given stays, and files say no more than before."""

import json

import pytest
from core_cases.small import model_data, model_spec

import diptych
from diptych.errors import SpecError
from diptych.spec.files import spec_hash
from diptych.spec.model import ModelSpec
from diptych.spec.numerics import follow, switches, unfollow
from diptych.spec.structure import structure, unstructure
from diptych.spec.wiring import resolve


SWITCH = "prompt.closed_turn"


def test_clean_leaves_every_switch_off_and_out_of_the_file():
    spec = resolve(model_spec()).spec
    assert not any(switches(spec).values())
    assert "closed_turn" not in json.dumps(unstructure(spec))
    assert "numerics" not in unstructure(spec)


def test_reference_puts_them_all_on():
    found = switches(resolve(model_spec(numerics="reference")).spec)
    assert SWITCH in found
    assert all(found.values())


def test_a_switch_that_was_given_stays():
    off = model_spec(numerics="reference", prompt={"closed_turn": False})
    on = model_spec(prompt={"closed_turn": True})
    assert switches(resolve(off).spec)[SWITCH] is False
    assert switches(resolve(on).spec)[SWITCH] is True


def test_following_can_be_undone():
    spec = model_spec(numerics="reference")
    followed = follow(spec, True)
    assert followed != spec
    assert unfollow(followed, True) == spec
    assert follow(spec, False) is spec


def test_a_checkpoint_says_the_word_and_not_each_switch(tmp_path):
    diptych.build(model_spec(numerics="reference")).save(tmp_path / "model")
    text = (tmp_path / "model" / "spec.json").read_text()
    assert json.loads(text)["numerics"] == "reference"
    assert "closed_turn" not in text
    assert all(switches(diptych.load(tmp_path / "model").spec).values())


@pytest.mark.parametrize("value", ["exact", 3, None])
def test_other_words_are_refused(value):
    with pytest.raises(SpecError, match="numerics"):
        structure({**model_data(), "numerics": value}, ModelSpec)


def test_the_word_counts_for_the_hash():
    assert spec_hash(model_spec()) != spec_hash(model_spec(numerics="reference"))


def test_learning_a_picture_closes_the_turn_only_under_the_switch():
    clean, reference = diptych.build(model_spec()), diptych.build(model_spec(numerics="reference"))
    asked = clean.prompts.painting("a red square", 4).ids
    assert clean.prompts.painting("a red square", 4, learning=True).ids == asked
    assert reference.prompts.painting("a red square", 4).ids == asked
    learned = reference.prompts.painting("a red square", 4, learning=True).ids
    closing = reference.tokenizer.encode("<|im_end|>\n", special=True)
    assert list(learned) == [*asked[:-5], *closing, *asked[-5:]]
