"""A tiny BLIP3-o as its own code writes it, and what it becomes here; made once for all tests of it."""

import json
import shutil
from pathlib import Path

import pytest


DATA = Path(__file__).parents[1] / "data" / "blip3o"


@pytest.fixture(scope="session")
def blip3o_folder(tmp_path_factory):
    """The folder as the original code writes it; its config does not say two sizes that its code did."""
    folder = tmp_path_factory.mktemp("original")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(DATA / name, folder / name)
    shutil.copy(DATA / "blip3o.weights.safetensors", folder / "model.safetensors")
    config = json.loads((DATA / "blip3o.config.json").read_text())
    config |= {"gen_vision_config": {"heads": 4}, "und_image_size": 56}
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    return folder


@pytest.fixture(scope="session")
def blip3o_imported(blip3o_folder, tmp_path_factory):
    from diptych.importing.bring import import_checkpoint

    folder = tmp_path_factory.mktemp("imported") / "tiny"
    import_checkpoint("blip3o", blip3o_folder, folder, include=["vision.clip"], numerics="reference")
    return folder
