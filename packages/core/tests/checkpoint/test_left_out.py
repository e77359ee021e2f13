"""Parts that a checkpoint left out: nothing uses them, and they are written no further."""

import json

import numpy as np
import pytest
import torch
from core_cases.small import model_data, model_spec
from safetensors.torch import load_file

import diptych
from diptych.checkpoint.tensors import fill
from diptych.data.sample import Sample
from diptych.errors import CheckpointError, RequestError
from diptych.objectives.batch import Batch
from diptych.objectives.specs import Paint, Reconstruct


GREY = np.full((16, 16, 3), 90, dtype=np.uint8)


def batch(model):
    return Batch(model, [Sample.paint("a", GREY)])


def test_parts_left_out_are_named_and_using_them_says_so(tmp_path):
    model = diptych.build(model_spec())
    model.save(tmp_path / "model", leave_out=["generate.features.head"])
    names = load_file(tmp_path / "model" / "model.safetensors")
    assert not [name for name in names if name.startswith("generate.features.head")]
    loaded = diptych.load(tmp_path / "model")
    assert loaded.left_out == {"generate.features.head": "needed only for training"}
    with pytest.raises(RequestError, match=r"left out `generate\.features\.head`"):
        loaded.generate("a square")
    assert loaded.reconstruct([torch.zeros(16, 16, 3, dtype=torch.uint8).numpy()])
    loaded.save(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "manifest.json").read_text())["left_out"] == loaded.left_out


@pytest.mark.parametrize(
    ("left_out", "use"),
    [
        ("vision.eye", lambda model: model.reconstruct(GREY)),
        ("vision", lambda model: model.reconstruct(GREY)),
        ("decode", lambda model: model.generate("a")),
        ("decode.decoder.mlp", lambda model: model.generate("a")),
        ("vision.eye", lambda model: Paint().build()(batch(model), torch.Generator())),
        ("generate", lambda model: Paint().build()(batch(model), torch.Generator())),
        ("backbone", lambda model: Paint().build()(batch(model), torch.Generator())),
        ("decode", lambda model: Reconstruct().build()(batch(model), torch.Generator())),
        ("understand", lambda model: model.edit(GREY, "a")),
    ],
)
def test_nothing_uses_weights_that_a_checkpoint_left_out(left_out, use):
    model = diptych.build(model_spec())
    use(model)
    model.left_out[left_out] = "too large"
    with pytest.raises(RequestError, match=rf"left out `{left_out}` \(too large\), and this task needs"):
        use(model)


def test_what_was_left_out_is_not_written_as_if_it_were_there(tmp_path):
    diptych.build(model_spec()).save(tmp_path / "part", leave_out=["decode"])
    diptych.load(tmp_path / "part").save(tmp_path / "again")
    assert not [name for name in load_file(tmp_path / "again" / "model.safetensors") if name.startswith("decode")]


def test_leaving_out_what_is_not_there_names_what_is(tmp_path):
    with pytest.raises(RequestError, match=r"'decode\.decodr' holds no weights; did you mean 'decode\.decoder'\?"):
        diptych.build(model_spec()).save(tmp_path / "model", leave_out=["decode.decodr"])
    assert not (tmp_path / "model").exists()


def test_leaving_out_one_part_is_not_leaving_out_another_of_a_longer_name(tmp_path):
    data = model_data()
    data["vision"]["eye2"] = {"type": "patches"}
    module = torch.nn.ModuleDict({"eye": torch.nn.Linear(1, 1), "eye2": torch.nn.Linear(1, 1)})
    tensors = {"eye2.bias": torch.zeros(1)}
    with pytest.raises(CheckpointError) as caught:
        fill(module, tensors, "file", ("eye",))
    assert "missing: eye2.weight" in str(caught.value)
    assert "missing: eye.weight" not in str(caught.value)
