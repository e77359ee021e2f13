"""Checkpoints: the same bits come back, and what is damaged is named; nothing appears by half."""

import json
import os

import pytest
import torch
import yaml
from core_cases.small import HF, MODEL, model_data, model_spec
from safetensors.torch import load_file, save_file

import diptych
from diptych.checkpoint.folder import whole_file, whole_folder
from diptych.checkpoint.tensors import fill, read_tensors, write_tensors
from diptych.errors import CheckpointError, OutputError, SpecError
from diptych.spec.files import merge
from diptych.spec.model import ModelSpec
from diptych.spec.structure import structure


def same(a, b):
    left, right = a.parts.state_dict(), b.parts.state_dict()
    assert left.keys() == right.keys()
    return all(torch.equal(left[key], right[key]) for key in left)


@pytest.mark.parametrize("changes", [{}, HF, merge(HF, {"backbone": {"tied": False}})], ids=["plain", "hf", "untied"])
def test_the_same_bits_come_back(tmp_path, changes):
    model = diptych.build(structure(merge(model_data(), changes), ModelSpec), seed=3)
    model.save(tmp_path / "model")
    loaded = diptych.load(tmp_path / "model")
    assert same(model, loaded)
    assert loaded.generate("a red square", seed=5)[0].tobytes() == model.generate("a red square", seed=5)[0].tobytes()
    loaded.save(tmp_path / "again")
    for name in ("spec.json", "manifest.json", "model.safetensors", "tokenizer/tokenizer.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


def test_it_can_be_moved(saved, tmp_path):
    moved = saved.rename(tmp_path / "elsewhere")
    try:
        assert diptych.load(moved)
    finally:
        moved.rename(saved)


def test_loading_leaves_the_global_random_state_alone(saved):
    before = torch.get_rng_state()
    diptych.load(saved)
    assert torch.equal(before, torch.get_rng_state())


def test_weights_can_be_kept_smaller(tmp_path):
    model = diptych.build(model_spec())
    model.save(tmp_path / "half", dtype=torch.float16)
    assert {value.dtype for value in load_file(tmp_path / "half" / "model.safetensors").values()} == {torch.float16}
    assert diptych.load(tmp_path / "half").dtype == torch.float32
    assert diptych.load(tmp_path / "half", dtype=None).dtype == torch.float16
    file = tmp_path / "half" / "model.safetensors"
    first, *others = load_file(file).items()  # as statistics that a part keeps in float32
    save_file({first[0]: first[1].float(), **dict(others)}, file)
    assert diptych.load(tmp_path / "half", dtype=None).dtype == torch.float16


def test_tensor_names_are_the_paths_of_the_spec(saved):
    names = load_file(saved / "model.safetensors")
    tops = {".".join(name.split(".")[:2]) for name in names}
    assert {"backbone.embedding", "understand.connector", "generate.features", "decode.decoder"} <= tops


def test_the_manifest_says_who_supplied_the_parts(saved):
    manifest = json.loads((saved / "manifest.json").read_text())
    assert manifest["format"] == 1
    assert manifest["plugins"]["diptych"] == diptych.__version__
    assert manifest["left_out"] == {}


def test_the_ids_of_special_tokens_are_stored(saved):
    spec = json.loads((saved / "spec.json").read_text())
    assert spec["prompt"]["token_ids"]["<|paint|>"] >= 256


# -- damage -------------------------------------------------------------------------------------------------------


def fails(folder, error=CheckpointError):
    with pytest.raises(error) as caught:
        diptych.load(folder)
    return str(caught.value)


def test_a_folder_that_is_not_there(tmp_path):
    assert "there is no such folder" in fails(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["", "x" * 5000, "a\0b"])
def test_impossible_names(name):
    assert fails(name)


def test_a_folder_that_is_no_checkpoint_says_what_it_holds(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    assert "it has no manifest.json (it holds notes.txt)" in fails(tmp_path)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    assert "no such folder" in fails(tmp_path / "file")


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "{}", "3", '{"format": 1, "plugins": []}', '{"format": 1, "left_out": [1]}', "\xff"]
)
def test_a_damaged_manifest(own_copy, content):
    (own_copy / "manifest.json").write_bytes(content.encode("latin-1"))
    assert "manifest.json" in fails(own_copy)
    assert "damaged" in fails(own_copy)


def test_a_manifest_that_is_a_folder(own_copy):
    (own_copy / "manifest.json").unlink()
    (own_copy / "manifest.json").mkdir()
    assert "manifest.json" in fails(own_copy)


def test_a_newer_format(own_copy):
    (own_copy / "manifest.json").write_text('{"format": 2}')
    assert "has format 2, this version of diptych reads format 1" in fails(own_copy)


def test_missing_tensors(own_copy):
    (own_copy / "model.safetensors").unlink()
    assert "model.safetensors is missing" in fails(own_copy)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_file(own_copy, keep):
    path = own_copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert "is not a whole safetensors file" in fails(own_copy)


def test_a_pickle_is_refused(own_copy):
    torch.save({"a": torch.ones(1)}, own_copy / "model.safetensors")
    assert "is not a whole safetensors file" in fails(own_copy)


def tampered(own_copy, change):
    path = own_copy / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    return fails(own_copy)


def test_all_differences_are_listed_at_once(own_copy):
    def change(tensors):
        tensors["new.tensor"] = torch.ones(1)
        del tensors["backbone.norm.weight"]
        tensors["decode.decoder.mlp.0.bias"] = torch.ones(17)
        tensors["decode.decoder.mlp.2.bias"][0] = float("nan")
        tensors["understand.connector.0.bias"] = torch.ones(16, dtype=torch.int64)

    text = tampered(own_copy, change)
    for each in [
        "unexpected: new.tensor",
        "missing: backbone.norm.weight",
        "shape of decode.decoder.mlp.0.bias: [17] in the file, [16] in the model",
        "values of decode.decoder.mlp.2.bias: NaN or infinity in the file",
        "type of understand.connector.0.bias: torch.int64 in the file, torch.float32 in the model",
    ]:
        assert each in text


def test_nothing_is_copied_when_something_is_wrong():
    module = torch.nn.Linear(2, 2)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    with pytest.raises(CheckpointError):
        fill(module, {"weight": torch.ones(2, 2), "bias": torch.full((2,), float("inf"))}, "file")
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_many_differences_are_counted():
    with pytest.raises(CheckpointError, match="and 10 more"):
        fill(torch.nn.Identity(), {f"t{i}": torch.ones(1) for i in range(30)}, "file")


def test_a_spec_that_names_parts_which_are_not_there_says_what_wrote_it(own_copy):
    path = own_copy / "spec.json"
    path.write_text(path.read_text().replace('"patches"', '"other-eye"'))
    with pytest.raises(SpecError) as caught:
        diptych.load(own_copy)
    assert caught.value.problems[0].code == "unknown-type"
    assert f"written with: diptych {diptych.__version__}" in caught.value.__notes__[0]


def test_a_tokenizer_whose_ids_disagree_with_the_spec(own_copy):
    path = own_copy / "tokenizer" / "tokenizer.json"
    data = json.loads(path.read_text())
    ids = {each["content"]: each for each in data["added_tokens"]}
    ids["<|paint|>"]["id"], ids["<|query_pad|>"]["id"] = ids["<|query_pad|>"]["id"], ids["<|paint|>"]["id"]
    data["added_tokens"].sort(key=lambda each: each["id"])
    path.write_text(json.dumps(data))
    text = fails(own_copy, SpecError)
    assert "'<|paint|>' is" in text
    assert "'<|query_pad|>' is" in text


def test_a_missing_tokenizer(own_copy):
    (own_copy / "tokenizer" / "tokenizer.json").unlink()
    assert "tokenizer" in fails(own_copy, SpecError)


# -- whole or not at all ------------------------------------------------------------------------------------------


def test_a_folder_appears_whole(tmp_path):
    with whole_folder(tmp_path / "out", ()) as temporary:
        (temporary / "a").write_text("new")
        assert not (tmp_path / "out").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def write_new(folder, error=None):
    with whole_folder(folder, ["a"]) as temporary:
        (temporary / "a").write_text("new")
        if error:
            raise error


def test_a_folder_that_fails_leaves_the_old_one(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("old")
    for error in (ValueError("no"), OSError(28, "No space left on device"), KeyboardInterrupt()):
        with pytest.raises((ValueError, OutputError, KeyboardInterrupt)):
            write_new(tmp_path / "out", error)
    assert (tmp_path / "out" / "a").read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_an_old_folder_survives_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("old")
    path_type, rename = type(tmp_path), type(tmp_path).rename

    def stubborn(self, target):
        if str(target) == str(tmp_path / "out") and not self.name.endswith(".old"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(path_type, "rename", stubborn)
    out = tmp_path / "out"
    with pytest.raises(OutputError, match="what was there is unharmed"), whole_folder(out, ["a"]) as temporary:
        (temporary / "a").write_text("new")
    assert (tmp_path / "out" / "a").read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_a_file_in_the_way_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is a file; give the name of a folder"):
        diptych.build(model_spec()).save(tmp_path / "file")
    with pytest.raises(OutputError, match="cannot write to"):
        diptych.build(model_spec()).save(tmp_path / "file" / "model")
    assert (tmp_path / "file").read_text() == "mine"


def test_saving_over_a_checkpoint_replaces_it_whole_and_nothing_else(tmp_path):
    diptych.build(model_spec(), seed=1).save(tmp_path / "model")
    (tmp_path / "model" / "tokenizer" / "stale").write_text("")
    (tmp_path / "model" / "README.md").write_text("mine")
    (tmp_path / "model" / "samples").mkdir()
    (tmp_path / "model" / "samples" / "a").write_text("mine too")
    other = diptych.build(model_spec(), seed=2)
    other.save(tmp_path / "model")
    assert same(diptych.load(tmp_path / "model"), other)
    assert not (tmp_path / "model" / "tokenizer" / "stale").exists()
    assert (tmp_path / "model" / "README.md").read_text() == "mine"
    assert (tmp_path / "model" / "samples" / "a").read_text() == "mine too"
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


def test_a_full_disk_is_an_output_error_and_leaves_nothing(tmp_path, monkeypatch):
    from safetensors import SafetensorError

    def full(*_, **__):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("diptych.checkpoint.tensors.save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        diptych.build(model_spec()).save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_file_appears_whole(tmp_path):
    path = tmp_path / "sub" / "file"
    with whole_file(path) as temporary:
        temporary.write_text("x")
        assert not path.exists()

    def fail():
        with whole_file(path) as temporary:
            temporary.write_text("y")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert path.read_text() == "x"
    assert [each.name for each in path.parent.iterdir()] == ["file"]
    with pytest.raises(OutputError), whole_file(path / "below"):
        pass


def test_tensors_that_share_memory_are_written_each(tmp_path):
    base = torch.arange(6.0)
    write_tensors({"a": base, "b": base[2:4], "c": base.view(2, 3).T}, tmp_path / "t.safetensors")
    read = read_tensors(tmp_path / "t.safetensors")
    assert torch.equal(read["b"], base[2:4])
    assert torch.equal(read["c"], base.view(2, 3).T)


def test_temporary_names_do_not_depend_on_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        with whole_folder(tmp_path / "out", ()):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


def test_a_spec_file_can_name_a_saved_tokenizer(saved, tmp_path):
    data = {**MODEL, "tokenizer": {"type": "file", "path": str(saved / "tokenizer")}}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(data))
    assert len(diptych.build(tmp_path / "model.yaml").tokenizer) == len(diptych.load(saved).tokenizer)
