"""The format can say what is not built yet: only the parts are unknown, nothing else about these files is wrong."""

from pathlib import Path

import pytest

from diptych.errors import SpecError
from diptych.spec.files import read_data, read_spec
from diptych.spec.model import ModelSpec
from diptych.spec.structure import structure


SPECS = sorted((Path(__file__).parent / "specs").glob("*.yaml"))
UNKNOWN = {
    "blip3o-next-edit": {
        "generate.latents.condition.of.1",
        "generate.latents.condition.of.2",
        "generate.latents.head.network.clean_latent",
    },
}


def problems_of(path: Path):
    try:
        read_spec(path)
    except SpecError as error:
        return error.problems
    return []


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_only_the_parts_are_unknown(path):
    problems = problems_of(path)
    assert {problem.code for problem in problems} <= {"unknown-type", "unknown-key"}
    assert {problem.path.removesuffix(".type") for problem in problems} == UNKNOWN[path.stem]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_wrong_key_would_still_be_found(path):
    data = {**read_data(path), "generat": []}
    with pytest.raises(SpecError) as caught:
        structure(data, ModelSpec)
    assert "unknown-key" in {problem.code for problem in caught.value.problems}


def test_every_file_is_expected():
    assert {path.stem for path in SPECS} == set(UNKNOWN)
