"""Spec files: YAML and JSON, `extends`, `--set`, and what is said when they cannot be read."""

import json

import pytest
import yaml
from core_cases.small import MODEL, RECIPE

from diptych.errors import SpecError
from diptych.spec.files import find_file, merge, read_data, read_spec
from diptych.spec.recipe import Recipe


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "model.yaml"
    path.write_text(yaml.safe_dump(MODEL))
    return path


def fails(path, overrides=(), cls=None):
    with pytest.raises(SpecError) as caught:
        read_spec(path, *([cls] if cls else []), overrides=overrides)
    (problem,) = caught.value.problems
    return problem


def test_yaml_and_json_say_the_same(model_file, tmp_path):
    (tmp_path / "model.json").write_text(json.dumps(MODEL))
    assert read_spec(model_file) == read_spec(tmp_path / "model.json")


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("backbone.layers=5", lambda spec: spec.backbone.layers == 5),
        ("name=3x", lambda spec: spec.name == "3x"),
        ("vision.eye.patch_size=4", lambda spec: spec.vision["eye"].patch_size == 4),
        ("vision.other={type: patches}", lambda spec: list(spec.vision) == ["eye", "other"]),
        ("generate.features.condition.count=7", lambda spec: spec.step("features").condition.count == 7),
        ("generate.0.condition.count=7", lambda spec: spec.step("features").condition.count == 7),
        ("understand=null", lambda spec: spec.understand is None),
        ("prompt.system=be kind", lambda spec: spec.prompt.system == "be kind"),
        ("name=a=b", lambda spec: spec.name == "a=b"),
    ],
)
def test_set_changes_one_value(model_file, override, read):
    assert read(read_spec(model_file, overrides=[override]))


def test_overrides_are_applied_in_order(model_file):
    assert read_spec(model_file, overrides=["backbone.layers=3", "backbone.layers=4"]).backbone.layers == 4


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("backbone.layers", "not of the form a.b.c=value"),
        ("=3", "not of the form a.b.c=value"),
        ("backbone..layers=3", "not of the form a.b.c=value"),
        ("name={", "is not a YAML value"),
        ("name=2020-99-99", "is not a YAML value"),
        ("name=!!int x", "is not a YAML value"),
        ("name=!!timestamp x", "is not a YAML value"),
        ("name=" + "[" * 3000, "is not a YAML value"),
        ("generate.pixels.target=eye", "no entry 'pixels' in this list; there are: features"),
        ("generate.7.target=eye", "there are: features"),
        ("name.first=3", "'first' cannot be set inside 'tiny'"),
        ("backbone.widht=3", "did you mean 'width'?"),
    ],
)
def test_a_bad_override_is_named(model_file, override, says):
    assert says in fails(model_file, [override]).message


def test_extends_lays_a_file_over_another(model_file, tmp_path):
    small = {"extends": "model.yaml", "name": "other", "backbone": {"layers": 1}, "vision": {"eye": {"patch_size": 4}}}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small))
    spec, base = read_spec(tmp_path / "small.yaml"), read_spec(model_file)
    assert (spec.name, spec.backbone.layers, spec.backbone.width) == ("other", 1, base.backbone.width)
    assert spec.vision["eye"].patch_size == 4
    assert spec.generate == base.generate


def test_another_type_replaces_the_part_whole():
    below = {"head": {"type": "a", "width": 3}, "other": 1}
    assert merge(below, {"head": {"type": "b"}}) == {"head": {"type": "b"}, "other": 1}
    assert merge(below, {"head": {"type": "a", "depth": 2}})["head"] == {"type": "a", "width": 3, "depth": 2}
    assert merge(below, {"head": {"depth": 2}})["head"] == {"type": "a", "width": 3, "depth": 2}


def test_named_lists_merge_by_name_and_new_names_come_last():
    below = {"stages": [{"name": "a", "steps": 1}, {"name": "b", "steps": 2}], "plain": [1, 2]}
    change = {"stages": [{"name": "c", "steps": 9}, {"name": "b", "lr": 3}], "plain": [3]}
    twice = {"stages": [{"name": "b", "lr": 3}, {"name": "b", "lr": 4}]}
    assert [each.get("lr") for each in merge(below, twice)["stages"]] == [None, 3, 4]
    assert merge(below, change) == {
        "stages": [{"name": "a", "steps": 1}, {"name": "b", "steps": 2, "lr": 3}, {"name": "c", "steps": 9}],
        "plain": [3],
    }


@pytest.mark.parametrize(
    ("extends", "says"),
    [
        ("gone.yaml", "no such file"),
        ("child.yaml", "itself extends another file; only one level is allowed"),
        (3, "expected a file name, got 3"),
        ("a\0b", ""),
        ("x" * 400, ""),
    ],
)
def test_a_bad_extends_is_named(tmp_path, extends, says):
    (tmp_path / "child.yaml").write_text(yaml.safe_dump({"extends": extends}))
    assert says in fails(tmp_path / "child.yaml").message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "is not valid YAML"),
        (b"- 1", "expected a mapping of keys, got list"),
        (b"", "expected a mapping of keys, got NoneType"),
        (b"\xff\xfe\x00", "cannot be read as text"),
        (b"a: 2020-99-99", "is not valid YAML"),
        (b"a: !!int x", "is not valid YAML"),
        (b"a: !!timestamp x", "is not valid YAML"),
        (b"a: !!python/object/apply:os.system [ls]", "is not valid YAML"),
        (b"a: " + b"[" * 5000, "is not valid YAML"),
        (b"{[1]: 2}", "is not valid YAML"),
    ],
)
def test_an_unreadable_file_is_named(tmp_path, content, says):
    (tmp_path / "model.yaml").write_bytes(content)
    assert says in fails(tmp_path / "model.yaml").message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", "name: x\nvision:\n  eye: {type: patches}\n  eye: {type: clip}\n"),
        ("a.yaml", "{name: x, vision: {eye: {type: patches}, 'eye': {type: clip}}}"),
        ("a.json", '{"vision": {"eye": {"type": "patches"}, "eye": {"type": "clip"}}}'),
    ],
)
def test_a_key_that_stands_twice_is_not_dropped(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert "'eye' stands twice in the mapping" in fails(tmp_path / name).message


def test_a_mapping_may_be_named_and_merged_into_others(tmp_path):
    text = "one: &a {x: 1, y: 2}\ntwo: &b {<<: *a, y: 3}\nthree: {<<: *b, x: 4}\n"
    (tmp_path / "a.yaml").write_text(text)
    assert read_data(tmp_path / "a.yaml")["three"] == {"x": 4, "y": 3}


def test_json_is_read_as_json(tmp_path):
    (tmp_path / "model.json").write_text("name: yaml")
    assert "is not valid JSON" in fails(tmp_path / "model.json").message


def test_a_missing_file_names_those_beside_it(model_file):
    problem = fails(model_file.with_name("modle.yaml"))
    assert problem.code == "missing"
    assert "spec files beside it: model.yaml" in problem.message


@pytest.mark.parametrize("path", ["", ".", "a\0b", "x" * 5000, "no/such/folder/x.yaml"])
def test_impossible_paths_are_spec_errors(path):
    assert fails(path)


def test_a_folder_is_not_a_spec(tmp_path):
    assert "cannot be read" in fails(tmp_path).message


def test_a_checkpoint_stands_for_its_spec(saved):
    assert read_spec(saved) == read_spec(saved / "spec.json")


def test_paths_are_meant_from_the_file_that_says_them(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    monkeypatch.chdir(tmp_path)
    assert read_spec("sub/recipe.yaml", Recipe).model == "sub/model.yaml"


def test_paths_of_a_file_that_is_extended_are_meant_from_that(tmp_path):
    for folder in ("base", "own"):
        (tmp_path / folder).mkdir()
    data = {**RECIPE, "model": "model.yaml"}
    (tmp_path / "base" / "recipe.yaml").write_text(yaml.safe_dump(data))
    child, base = tmp_path / "own" / "recipe.yaml", str(tmp_path / "own" / ".." / "base" / "model.yaml")
    child.write_text(yaml.safe_dump({"extends": "../base/recipe.yaml", "name": "child"}))
    assert read_spec(child, Recipe).model == base
    assert read_spec(child, Recipe, ["model=other.yaml"]).model == str(tmp_path / "own" / "other.yaml")
    child.write_text(yaml.safe_dump({"extends": "../base/recipe.yaml", "model": "mine.yaml"}))
    assert read_spec(child, Recipe).model == str(tmp_path / "own" / "mine.yaml")


def test_paths_of_parts_that_are_extended_too(tmp_path):
    (tmp_path / "base").mkdir()
    tokenizers = {"tokenizer": {"type": "file", "path": "words"}}
    (tmp_path / "base" / "model.yaml").write_text(yaml.safe_dump({**MODEL, **tokenizers}))
    (tmp_path / "model.yaml").write_text(yaml.safe_dump({"extends": "base/model.yaml", "name": "child"}))
    assert read_spec(tmp_path / "model.yaml").tokenizer.path == str(tmp_path / "base" / "words")
    (tmp_path / "model.yaml").write_text(yaml.safe_dump({"extends": "base/model.yaml", **tokenizers}))
    assert read_spec(tmp_path / "model.yaml").tokenizer.path == str(tmp_path / "words")


def test_absolute_paths_stay(tmp_path):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, "model": "/somewhere/model.yaml"}))
    assert read_spec(tmp_path / "recipe.yaml", Recipe).model == "/somewhere/model.yaml"


def test_a_file_that_exists_comes_before_a_registered_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "emoji-pocket").write_text("name: mine")
    assert find_file("emoji-pocket").read_text() == "name: mine"


def test_read_data_gives_the_merged_plain_data(model_file):
    assert read_data(model_file, ["name=x"]) == {**MODEL, "name": "x"}
