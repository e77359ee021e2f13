"""`diptych chat` on a model that answers: turns follow each other, pictures stand before the first."""

import json

import numpy as np
import pytest
from integration_cases.command import run
from PIL import Image

import diptych
from diptych.data.sample import Turn


@pytest.fixture
def pictures(tmp_path):
    made = []
    for value in (0, 255):
        made.append(tmp_path / f"{value}.png")
        Image.fromarray(np.full((20, 16, 3), value, np.uint8)).save(made[-1])
    return made


def test_turns_are_answered_one_after_the_other(blip3o_imported, pictures, capsys):
    options = ["--picture", pictures[0], "--picture", pictures[1], "--max-tokens", 4, "--json"]
    assert run("chat", blip3o_imported, "hello", "and then?", *options) == 0
    told = json.loads(capsys.readouterr().out)
    model = diptych.load(blip3o_imported)
    first = [Turn("user", (*map(Image.open, pictures), "hello"))]
    (one,) = model.chat([first], max_tokens=4)
    (two,) = model.chat([[*first, Turn("assistant", (one,)), Turn("user", ("and then?",))]], max_tokens=4)
    assert told == [{"text": "hello", "answer": one}, {"text": "and then?", "answer": two}]


def test_words_alone(blip3o_imported, capsys):
    assert run("chat", blip3o_imported, "hello", "--max-tokens", 3) == 0
    (answer,) = diptych.load(blip3o_imported).chat([[Turn("user", ("hello",))]], max_tokens=3)
    assert capsys.readouterr().out == f"hello\n  {answer}\n"


def test_what_cannot_be_answered(blip3o_imported, sana_imported, tmp_path, capsys):
    for arguments, why in (
        ([sana_imported["released"], "hello"], "does not answer"),
        ([blip3o_imported, " "], "the question is empty"),
        ([blip3o_imported, "hello", "--max-tokens", 0], "max_tokens is 0"),
        ([blip3o_imported, "hello", "--picture", tmp_path / "none.png"], "none.png"),
        ([blip3o_imported], "Usage"),
    ):
        assert run("chat", *arguments) == 2
        assert why in capsys.readouterr().err
