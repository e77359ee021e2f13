"""The verbs that make pictures out of pictures, as a user meets them."""

import numpy as np
import pytest
import yaml
from core_cases.command import diptych, refused
from core_cases.small import MODEL
from PIL import Image


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.full((16, 16, 3), 200, np.uint8)).save(path)
    return path


def test_edit_writes_pictures_that_remember_what_they_were_made_from(saved, picture, tmp_path):
    out = tmp_path / "out"
    data = diptych("edit", saved, picture, picture, "make it red", "--n", 2, "--seed", 5, "--out", out, "--json").data
    assert [(row["prompt"], row["seed"]) for row in data["pictures"]] == [("make it red", 5), ("make it red", 6)]
    with Image.open(data["pictures"][0]["file"]) as image:
        assert image.text["edited"] == "picture.png, picture.png"
        assert image.text["prompt"] == "make it red"
    assert len(list(out.iterdir())) == 3


def test_reconstruct_draws_what_a_picture_is_encoded_as(saved, picture, tmp_path):
    from diptych import load

    out = tmp_path / "out"
    data = diptych("reconstruct", saved, picture, picture, "--seed", 5, "--out", out, "--json").data
    assert [(row["prompt"], row["seed"]) for row in data["pictures"]] == [("picture.png", 5)] * 2
    (wanted,) = load(saved).reconstruct([Image.open(picture)], seed=5)
    for row in data["pictures"]:
        with Image.open(row["file"]) as image:
            assert image.text["task"] == "reconstruct"
            assert image.convert("RGB").tobytes() == wanted.tobytes()
    assert "no such file" in refused("reconstruct", saved, tmp_path / "none.png", "--out", out)
    assert "PICTURES" in refused("reconstruct", saved, "--out", out)


def test_reconstruct_needs_something_that_draws(tmp_path, picture):
    from diptych import build
    from diptych.spec.files import read_spec

    bare = tmp_path / "bare.yaml"
    bare.write_text(yaml.safe_dump({**MODEL, "decode": None}))
    build(read_spec(bare)).save(tmp_path / "saved")
    assert "cannot reconstruct" in refused("reconstruct", tmp_path / "saved", picture, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["ask", "chat", "generate", "edit", "reconstruct"])
def test_what_a_model_cannot_do_is_told_before_its_weights_are_read(verb, tmp_path, picture):
    """The weights here cannot be read at all, and nobody notices."""
    from diptych import build
    from diptych.spec.files import read_spec

    bare = tmp_path / "bare.yaml"
    bare.write_text(yaml.safe_dump({**MODEL, "generate": [], "decode": None}))
    build(read_spec(bare)).save(tmp_path / "saved")
    (tmp_path / "saved" / "model.safetensors").write_bytes(b"no weights")
    given = {"generate": ["a"], "chat": ["a"], "reconstruct": [picture]}.get(verb, [picture, "?"])
    out = [] if verb in ("ask", "chat") else ["--out", tmp_path / "out"]
    assert "'tiny' " in refused(verb, tmp_path / "saved", *given, *out)
    assert not (tmp_path / "out").exists()


def test_edit_refuses_what_cannot_be_edited(saved, picture, tmp_path):
    out, text = tmp_path / "out", tmp_path / "text.png"
    text.write_text("no picture")
    assert "is not an image" in refused("edit", saved, text, "red", "--out", out)
    assert "no such file" in refused("edit", saved, tmp_path / "none.png", "red", "--out", out)
    assert "the prompt is empty" in refused("edit", saved, picture, " ", "--out", out)
    assert "INSTRUCTION" in refused("edit", saved, picture, "--out", out)
    assert "where the instruction belongs" in refused("edit", saved, picture, picture, "--out", out)
    assert not out.exists()
