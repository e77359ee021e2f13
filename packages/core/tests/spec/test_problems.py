"""Everything that is wrong with a spec is said at once, each with its path, code and the nearest valid choice."""

import pytest
import yaml
from core_cases.small import MODEL, RECIPE, model_data

from diptych.errors import SpecError
from diptych.spec.model import ModelSpec
from diptych.spec.recipe import Recipe
from diptych.spec.structure import structure


def problems_of(data, cls=ModelSpec):
    with pytest.raises(SpecError) as caught:
        structure(data, cls)
    return {problem.path: problem for problem in caught.value.problems}


def test_all_problems_come_at_once():
    data = model_data(backbone={"widht": 8, "layers": "two", "heads": 0}, vision={"eye": {"type": "pathces"}})
    del data["name"]
    found = problems_of({**data, "understnad": None})
    assert {path: problem.code for path, problem in found.items()} == {
        "name": "missing",
        "backbone.widht": "unknown-key",
        "backbone.layers": "wrong-type",
        "backbone.heads": "bad-value",
        "vision.eye.type": "unknown-type",
        "understnad": "unknown-key",
    }
    assert "did you mean 'width'?" in found["backbone.widht"].message
    assert "valid keys: width, layers" in found["backbone.widht"].message
    assert "did you mean 'patches'?" in found["vision.eye.type"].message
    assert "known encoder or autoencoder or image_tokenizers: " in found["vision.eye.type"].message
    assert "did you mean 'understand'?" in found["understnad"].message


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"heads": 4, "kv_heads": 3}, "kv_heads 3 must divide heads 4"),
        ({"width": 10, "heads": 2}, "must be even"),
        ({"width": 4, "heads": 4}, "must be even and at least 2"),
        ({"head_width": 3}, "must be even"),
    ],
)
def test_heads_that_do_not_divide_are_refused_when_read(sizes, says):
    found = problems_of(model_data(backbone={"type": "hf-causal-lm", "width": 16, **sizes}))
    assert says in found["backbone"].message


@pytest.mark.parametrize(
    ("change", "path", "code", "says"),
    [
        ({"backbone": 3}, "backbone", "wrong-type", "such as {type: hf-causal-lm}"),
        ({"backbone": {"type": 3}}, "backbone", "wrong-type", "expected a backbone"),
        ({"backbone": {"width": 15}}, "backbone.heads", "bad-value", ""),
        ({"backbone": {"preset": "7b"}}, "backbone.preset", "bad-value", "presets: none"),
        ({"backbone": {"preset": ["7b"]}}, "backbone.preset", "bad-value", "presets: none"),
        ({"name": 3}, "name", "wrong-type", "expected text, got int 3"),
        ({"backbone": {"layers": True}}, "backbone.layers", "wrong-type", "expected a whole number, got bool True"),
        ({"backbone": {"layers": 2.0}}, "backbone.layers", "wrong-type", "expected a whole number"),
        ({"backbone": {"mlp_ratio": "wide"}}, "backbone.mlp_ratio", "wrong-type", "expected a number"),
        ({"backbone": {"mlp_ratio": 10**400}}, "backbone.mlp_ratio", "wrong-type", "expected a number"),
        ({"backbone": {"mlp_ratio": float("inf")}}, "backbone.mlp_ratio", "wrong-type", "expected a number"),
        ({"backbone": {"mlp_ratio": float("nan")}}, "backbone.mlp_ratio", "wrong-type", "expected a number"),
        ({"vision": []}, "vision", "wrong-type", "expected a mapping"),
        ({"vision": {1: {"type": "patches"}}}, "vision.1", "wrong-type", "expected a name as key, got int 1"),
        ({"generate": {}}, "generate", "wrong-type", "expected a list, got dict {}"),
        ({"generate": [3]}, "generate.0", "wrong-type", "expected a mapping"),
        ({"decode": 3}, "decode", "wrong-type", "expected a mapping"),
        ({"understand": {"encoder": "eye", "connector": 3}}, "understand.connector", "wrong-type", "a connector"),
        ({"prompt": {"paint": "no place for it"}}, "prompt.paint", "bad-value", "{prompt}"),
        ({"prompt": {"turn": "{role}: {content}"}}, "prompt.turn", "bad-value", "{content}"),
        ({"prompt": {"turn": "no place for it"}}, "prompt.turn", "bad-value", "{content}"),
    ],
)
def test_each_problem_has_its_place_and_code(change, path, code, says):
    found = problems_of(model_data(**change))
    if path == "backbone.heads":  # two fields that do not go together are a problem of both
        (problem,) = found.values()
        assert problem.path == "backbone"
        assert "2 heads do not divide width 15" in problem.message
        return
    assert list(found) == [path]
    assert found[path].code == code
    assert says in found[path].message


def test_a_choice_names_all_choices_and_the_nearest():
    found = problems_of(
        model_data(backbone={"type": "hf-causal-lm", "attention": "egaer"}) | {"name": "x"},
    )
    problem = found["backbone.attention"]
    assert problem.code == "bad-value"
    assert "'egaer' is not one of 'sdpa', 'eager'; did you mean 'eager'?" in problem.message


def test_named_list_entries_are_named_in_paths():
    step = {**MODEL["generate"][0], "head": {"type": "linear-readuot"}}
    assert list(problems_of(model_data(generate=[step]))) == ["generate.features.head.type"]


def test_nested_parts_are_checked_too():
    of = [{"type": "latent-queries", "count": 0}, {"type": "prompt-states", "widht": 3}]
    step = {**MODEL["generate"][0], "condition": {"type": "concat", "of": of}}
    found = problems_of({**model_data(), "generate": [step]})
    assert list(found) == [
        "generate.features.condition.of.0.count",
        "generate.features.condition.of.1.widht",
    ]


def test_a_part_of_another_kind_cannot_stand_in_a_slot():
    from diptych.vision.patches import Patches

    found = problems_of({**model_data(), "backbone": Patches()})
    assert found["backbone"].message == "a encoder cannot stand here, a backbone can"


def test_recipes_are_read_the_same_way():
    stage = {**RECIPE["stages"][0], "steps": 0, "train": [], "betas": [0.9], "losses": {}, "lr": -1}
    found = problems_of({**RECIPE, "stages": [stage]}, Recipe)
    assert {path: problem.code for path, problem in found.items()} == {
        "stages.decode.steps": "bad-value",
        "stages.decode.train": "bad-value",
        "stages.decode.betas": "wrong-type",
        "stages.decode.losses": "bad-value",
        "stages.decode.lr": "bad-value",
    }


def test_a_spec_error_shows_one_problem_a_line():
    with pytest.raises(SpecError) as caught:
        structure({**model_data(), "nam": 1, "visoin": 2}, ModelSpec, "file.yaml")
    lines = str(caught.value).splitlines()
    assert lines[0] == "file.yaml: 2 problems"
    assert lines[1].startswith("  nam: unknown key 'nam'")
    assert len(lines) == 3


def test_huge_values_are_shown_shortened_and_at_once():
    bomb = ["lol"] * 10
    for _ in range(40):
        bomb = [bomb] * 10  # ten to the forty strings, in forty small lists
    found = problems_of({**model_data(), "name": bomb})
    assert len(found["name"].message) < 200


def test_only_plain_data_may_stand_in_free_fields():
    import datetime

    endless: dict = {}
    endless["again"] = endless
    for value in [datetime.date(2020, 1, 1), {1: 2}, float("nan"), b"bytes", {1, 2}, endless]:
        found = problems_of(model_data(backbone={"type": "hf-causal-lm", "extra": {"x": value}}))
        assert all(path.startswith("backbone.extra.x") for path in found), found
        assert {problem.code for problem in found.values()} == {"wrong-type"}


@pytest.mark.parametrize(("written", "right"), [("1e-4", "1.0e-4"), ("1.5e4", "1.5e+4"), ("-3E5", "-3.0e+5")])
def test_a_number_that_yaml_takes_for_text_is_told_with_how_to_write_it(written, right):
    stage = {**RECIPE["stages"][0], "lr": yaml.safe_load(written)}
    found = problems_of({**RECIPE, "stages": [stage]}, Recipe)
    assert f"write {right}" in next(found[path] for path in found if path.endswith(".lr")).message
    assert isinstance(yaml.safe_load(right), float)
