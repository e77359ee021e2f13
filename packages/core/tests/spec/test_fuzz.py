"""Whatever is fed to the spec reader and the spec verbs, only documented errors come out."""

import json

import yaml
from core_cases.command import diptych
from core_cases.examples import examples
from core_cases.small import HF, RECIPE, model_data
from core_cases.strategies import model_specs, mutations, rubbish
from hypothesis import given
from hypothesis import strategies as st

from diptych.errors import DiptychError, SpecError
from diptych.spec.files import merge, read_data, spec_hash
from diptych.spec.model import ModelSpec
from diptych.spec.recipe import Recipe
from diptych.spec.structure import structure, unstructure
from diptych.spec.suite import Suite
from diptych.spec.wiring import resolve


VALID = [model_data(), merge(model_data(), HF)]
CONCAT = {"type": "concat", "of": [{"type": "latent-queries", "count": 4}, {"type": "prompt-states"}]}
VALID.append({**model_data(), "generate": [{**model_data()["generate"][0], "condition": CONCAT}]})


def refusal(task):
    """Do something: -> the SpecError that it raised, or None; anything else comes out."""
    try:
        task()
    except SpecError as error:
        return error
    return None


@given(rubbish, st.sampled_from([ModelSpec, Recipe, Suite]))
@examples(150)
def test_rubbish_is_a_spec_error(data, cls):
    error = refusal(lambda: structure(data, cls))
    assert error is None or error.problems
    assert len(str(error)) < 100_000


@given(st.sampled_from(VALID).flatmap(mutations))
@examples(150)
def test_a_mutated_model_is_a_model_or_a_spec_error(data):
    def read():
        spec = structure(data, ModelSpec)
        assert structure(unstructure(spec), ModelSpec) == spec
        assert spec_hash(resolve(spec).spec)

    error = refusal(read)
    assert error is None or all(problem.message and problem.code for problem in error.problems)


@given(model_specs().map(unstructure).flatmap(mutations))
@examples(100)
def test_a_mutated_random_model_is_a_model_or_a_spec_error(data):
    refusal(lambda: resolve(structure(data, ModelSpec)))


@given(mutations(RECIPE))
@examples(150)
def test_a_mutated_recipe_is_a_recipe_or_a_spec_error(data):
    def read():
        spec = structure(data, Recipe)
        assert structure(unstructure(spec), Recipe) == spec

    refusal(read)


overrides = st.text(max_size=30) | st.builds(
    "{}={}".format,
    st.sampled_from(["name", "backbone.layers", "generate.features.condition", "generate.0", "vision.eye", "a.b"]),
    st.text(max_size=10)
    | st.sampled_from(["!!int x", "!!float x", "!!bool x", "!!binary x", "2020-13-13", "*a", "&a [*a]", "!!set {a}"]),
)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.lists(overrides, max_size=2))
@examples(120)
def test_any_file_is_data_or_a_spec_error(tmp_path_factory, content, changes):
    path = tmp_path_factory.mktemp("files") / "model.yaml"
    path.write_bytes(content)
    refusal(lambda: read_data(path, changes).items())


@given(st.sampled_from(VALID).flatmap(mutations), st.lists(overrides, max_size=1), st.booleans())
@examples(120)
def test_check_ends_with_zero_or_two(tmp_path_factory, data, changes, as_json):
    path = tmp_path_factory.mktemp("files") / "model.yaml"
    path.write_text(yaml.dump(data), encoding="utf-8", errors="surrogateescape")
    sets = [each for change in changes for each in ("--set", change)]
    result = diptych("check", path, "--no-costs", *sets, *["--json"] * as_json)
    assert result.code in (0, 2)
    assert (result.code == 0) == bool(result.out)
    if as_json and result.code == 0:
        assert json.loads(result.out)["ports"]


@given(st.sampled_from(VALID).flatmap(mutations))
@examples(30)
def test_check_with_costs_ends_with_zero_or_two(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("files") / "model.yaml"
    path.write_text(yaml.dump(data), encoding="utf-8", errors="surrogateescape")
    assert diptych("check", path).code in (0, 2)


arguments = st.lists(
    st.text(max_size=15)
    | st.sampled_from(["--json", "--help", "-h", "head", "encoder/patches", "/", "head/", "--set", "linear", "spec/"]),
    max_size=4,
)


@given(st.sampled_from(["list", "show", "check"]), arguments)
@examples(120)
def test_the_verbs_end_with_zero_or_two(verb, given_arguments):
    result = diptych(verb, *given_arguments)
    assert result.code in (0, 2)
    assert (result.code == 0) == bool(result.out)


@given(st.text(max_size=40))
@examples(30)
def test_any_first_word_ends_with_two(word):
    result = diptych(word)
    assert result.code in (0, 2)


def test_the_fuzz_raises_what_it_catches():
    """The base of all errors is the one that the command line turns into exit code 2."""
    assert issubclass(SpecError, DiptychError)
