"""Pushing: one commit of a checkpoint's own files and a card; and what was pushed is loaded by its id."""

import shutil

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants

import diptych
from diptych.checkpoint.hub import push
from diptych.cli.main import main
from diptych.errors import CheckpointError, RequestError
from diptych.spec.files import spec_hash


class Hub:
    """Takes what `HfApi` would upload into a folder laid out as the cache of huggingface_hub."""

    def __init__(self, cache, error=None):
        self.cache, self.error, self.made = cache, error, []

    def create_repo(self, repo_id, **said):
        if self.error:
            raise self.error
        self.made.append((repo_id, said["private"]))

    def create_commit(self, repo_id, operations, **said):
        place = self.cache / f"models--{repo_id.replace('/', '--')}"
        for each in operations:
            path = place / "snapshots" / "abc" / each.path_in_repo
            path.parent.mkdir(parents=True, exist_ok=True)
            with each.as_file() as data:
                path.write_bytes(data.read())
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text("abc")
        return f"https://hub/{repo_id}"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    made = Hub(tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda **_: made)
    return made


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def test_what_is_pushed_is_loaded_by_its_id(hub, copy, capsys):
    (copy / "notes.txt").write_text("mine")
    main(["push", str(copy), "org/tiny", "--private"])
    assert capsys.readouterr().out == "https://hub/org/tiny\n"
    assert hub.made == [("org/tiny", True)]
    again, before = diptych.load("org/tiny"), diptych.load(copy)
    assert spec_hash(again.spec) == spec_hash(before.spec)
    assert all(map(torch.equal, again.parts.parameters(), before.parts.parameters()))
    pushed = hub.cache / "models--org--tiny" / "snapshots" / "abc"
    kept = {path.relative_to(pushed).as_posix() for path in pushed.rglob("*") if path.is_file()}
    assert kept == {"README.md", "manifest.json", "model.safetensors", "spec.json", "tokenizer/tokenizer.json"}


def test_the_card_says_what_it_is_and_how_to_use_it(hub, copy):
    push(copy, "org/tiny", api=hub)
    card = (hub.cache / "models--org--tiny" / "snapshots" / "abc" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: diptych\npipeline_tag: text-to-image\ntags:\n- diptych\n- text-to-image")
    model = diptych.load(copy)
    for line in (
        f"# {model.spec.name}\n",
        'model = diptych.load("org/tiny")\n',
        'model.generate("two red hearts", n=4, seed=0)\n',
        "| `vision.eye` | `patches` |\n",
        "Written with diptych ",
    ):
        assert line in card
    assert "model.ask(" not in card


def test_a_card_of_ones_own_is_kept(hub, copy):
    (copy / "README.md").write_text("Mine.\n")
    push(copy, "org/tiny", api=hub)
    assert (hub.cache / "models--org--tiny" / "snapshots" / "abc" / "README.md").read_text() == "Mine.\n"


def test_a_model_pushes_itself(hub, copy):
    assert diptych.load(copy).push_to_hub("org/again") == "https://hub/org/again"
    assert diptych.load("org/again").spec.name == diptych.load(copy).spec.name


@pytest.mark.parametrize("name", ["tiny", "org/", "/tiny", "a/b/c", "-x/tiny", "org/ti ny"])
def test_an_id_that_is_none_is_refused(hub, copy, name):
    with pytest.raises(RequestError, match="is no hub id; give organisation and name"):
        push(copy, name, api=hub)


def test_a_refusal_is_told_in_one_line(hub, copy):
    hub.error = ValueError("401 Unauthorized\nmore")
    with pytest.raises(RequestError, match=r"org/tiny cannot be pushed to: 401 Unauthorized; `hf auth login`"):
        push(copy, "org/tiny", api=hub)


def test_half_a_checkpoint_is_not_pushed(hub, copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"is not whole: it lacks model\.safetensors"):
        push(copy, "org/tiny", api=hub)
    assert not hub.made


def test_an_id_that_nobody_pushed_cannot_be_loaded(hub):
    with pytest.raises(CheckpointError, match="is no folder here, and as a hub id it cannot be fetched"):
        diptych.load("org/nothing")
