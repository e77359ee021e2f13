"""A whole model: sizes follow, references are checked, and what does not fit is named with its remedy."""

import attrs
import pytest
from core_cases.examples import examples
from core_cases.small import MODEL, model_data, model_spec
from core_cases.strategies import model_specs
from hypothesis import given
from torch import nn

from diptych.errors import DiptychError, SpecError
from diptych.ports import Port, Ports
from diptych.spec.model import ModelSpec
from diptych.spec.part import InlinePart, fields_of, walk_parts
from diptych.spec.structure import structure
from diptych.spec.wiring import resolve


def problems_of(spec):
    with pytest.raises(SpecError) as caught:
        resolve(spec)
    return {problem.path: problem for problem in caught.value.problems}


def test_all_sizes_of_the_tiny_model_follow():
    spec = resolve(model_spec()).spec
    assert spec.backbone.vocabulary == 256 + len(spec.prompt.special_tokens())
    connector = spec.understand.connector
    assert (connector.in_width, connector.out_width, connector.tokens) == (192, 16, 4)
    step = spec.step("features")
    assert (step.condition.width, step.head.condition_width, step.head.channels) == (16, 16, 192)
    assert (spec.decode.decoder.grid, spec.decode.decoder.channels) == (2, 192)


def test_the_table_shows_every_port_with_its_sizes():
    rows = {(row.part, row.port): row for row in resolve(model_spec()).rows}
    assert rows["vision.eye", "features"].sizes == "b (2 2) 192"
    assert rows["decode.decoder", "image"].sizes == "b 3 16 16"
    assert rows["backbone", "states"].direction == "out"
    assert rows["understand.connector", "tokens"].sizes == "b 4 16"


def test_resolving_twice_changes_nothing():
    once = resolve(model_spec()).spec
    assert resolve(once).spec == once


@given(model_specs())
@examples(80)
def test_a_random_model_resolves_completely_or_says_why(spec):
    try:
        resolved = resolve(spec)
    except DiptychError:
        return
    for path, part in walk_parts(resolved.spec):
        for field in fields_of(part):
            if field.metadata.get("inferred"):
                assert isinstance(getattr(part, field.name), int), (path, field.name)


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        (
            {"decode": {"decoder": {"channels": 7}}},
            "decode.decoder",
            ["vision.eye has `b (grid grid) width` = `b (2 2) 192`", "decode.decoder has", "leave the decoder's input"],
        ),
        (
            {"understand": {"connector": {"out_width": 5}}},
            "backbone",
            ["understand.connector has `b tokens out_width` = `b 4 5`", "backbone has `b s width` = `b s 16`"],
        ),
        ({"understand": {"connector": None}}, "backbone", ["vision.eye", "put `connector: {type: mlp}` under"]),
        (
            {"backbone": {"vocabulary": 7}},
            "backbone",
            ["tokenizer has `vocabulary`", "backbone has `vocabulary` = `7`"],
        ),
        (
            {"generate": [{"name": "features", "condition": {"count": 5}}]},
            "generate.features.head",
            ["vision.eye has", "`b 5 channels`: (grid grid) is not tokens"],
        ),
    ],
)
def test_a_mismatch_names_both_ends_and_a_remedy(change, path, says):
    found = problems_of(model_spec(**change))
    assert found[path].code == "mismatch"
    for each in says:
        assert each in found[path].message


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"understand": {"encoder": "eyes"}}, "understand.encoder", "did you mean 'eye'?; under vision: eye, backbone"),
        ({"understand": {"encoder": "backbone"}}, "understand.encoder", "no eyes of its own"),
        ({"generate": [{"name": "features", "target": "ear"}]}, "generate.features.target", "under vision: eye"),
        (
            {"decode": {"of": "feature"}},
            "decode.of",
            "did you mean 'features'?; generate steps and parts under vision: features, eye",
        ),
        ({"decode": {"decoder": None}}, "decode", "features of an encoder need a decoder"),
        ({"vision": {"a.b": {"type": "patches"}}}, "vision.a.b", "letters, digits, _ and -"),
        ({"vision": {"": {"type": "patches"}}}, "vision.", "letters, digits, _ and -"),
    ],
)
def test_a_reference_to_something_that_is_not_there_is_named(change, path, says):
    found = problems_of(model_spec(**change))
    assert found[path].code == "reference"
    assert says in found[path].message


def test_a_step_needs_a_name_that_can_stand_in_a_path():
    step = {**MODEL["generate"][0], "name": "a.b"}
    found = problems_of(structure({**model_data(), "generate": [step], "decode": None}, ModelSpec))
    assert "letters, digits, _ and -" in found["generate.a.b"].message


def test_two_steps_of_one_name_are_found():
    data = {**model_data(), "generate": MODEL["generate"] * 2}
    assert "two steps are called 'features'" in problems_of(structure(data, ModelSpec))["generate"].message


def test_a_size_that_does_not_follow_is_asked_for():
    part = InlinePart("encoder", nn.Identity(), Ports(outputs={"features": Port("b n width")}))
    spec = attrs.evolve(model_spec(generate=[]), vision={"eye": part}, decode=None, generate=())
    found = problems_of(spec)
    assert found["understand.connector.in_width"].code == "missing"
    assert "width of the features: it does not follow from what is connected; give it" in (
        found["understand.connector.in_width"].message
    )


def test_a_size_that_a_part_refuses_once_it_is_known_is_a_problem_of_that_part():
    @attrs.frozen
    class Picky(type(model_spec().understand.connector)):
        def __attrs_post_init__(self):
            if self.tokens == 4:
                raise ValueError("four is too many")

    spec = attrs.evolve(model_spec(), understand=attrs.evolve(model_spec().understand, connector=Picky()))
    assert problems_of(spec)["understand.connector"].message == "four is too many"


def test_concatenated_conditions_pass_their_width_inside():
    of = [{"type": "latent-queries", "count": 1}, {"type": "latent-queries", "count": 3}]
    step = {**MODEL["generate"][0], "condition": {"type": "concat", "of": of}}
    spec = resolve(structure({**model_data(), "generate": [step]}, ModelSpec)).spec
    condition = spec.step("features").condition
    assert (condition.queries, condition.width, [each.width for each in condition.of]) == (4, 16, [16, 16])


def test_prompts_of_any_length_do_not_go_where_a_number_of_tokens_is_needed():
    of = [{"type": "latent-queries", "count": 3}, {"type": "prompt-states"}]
    for condition in ({"type": "prompt-states"}, {"type": "concat", "of": of}):
        step = {**MODEL["generate"][0], "condition": condition}
        found = problems_of(structure({**model_data(), "generate": [step]}, ModelSpec))
        assert "s varies from sample to sample" in found["generate.features.head"].message


def test_the_tokens_of_concatenated_conditions_add_up():
    step = {**MODEL["generate"][0], "condition": {"type": "concat", "of": [{"type": "latent-queries", "count": 4}] * 2}}
    found = problems_of(structure({**model_data(), "generate": [step]}, ModelSpec))
    assert "has `b tokens channels` = `b 8 channels`" in found["generate.features.head"].message


def test_special_tokens_follow_from_the_prompt_form_unless_given():
    spec = resolve(model_spec()).spec
    assert spec.tokenizer.special[0] == "<|im_start|>"
    own = model_spec(tokenizer={"special": ["<|mine|>"]})
    assert resolve(own).spec.tokenizer.special == ("<|mine|>",)


def test_what_is_decoded_may_be_named_by_its_part():
    spec = resolve(model_spec(decode={"of": "eye"})).spec
    assert spec.decoded == "eye"
    assert spec.painted.name == "features"


@pytest.mark.parametrize(
    ("step", "says"),
    [("idz", "'idz' is not there"), ("features", "'features' is not there"), ("first", "does not write ids")],
)
def test_states_are_read_only_of_an_earlier_step_that_writes(step, says):
    own = MODEL["generate"][0]
    steps = [{**own, "name": "first"}, {**own, "condition": {"type": "states-of", "step": step}}]
    with pytest.raises(SpecError) as caught:
        resolve(structure({**model_data(), "generate": steps}, ModelSpec))
    assert any(says in each.message for each in caught.value.problems)
