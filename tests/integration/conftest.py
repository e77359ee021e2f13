"""A tiny BLIP3-o as its own code writes it, and what it becomes here; made once for all tests of it."""

import json
import shutil
import sys
from pathlib import Path

import pytest


sys.path.insert(0, str(Path(__file__).parent))

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


@pytest.fixture(scope="session")
def blip3o_drawing_folder(blip3o_folder, tmp_path_factory):
    """The same with a decoder beside the shards, as the released folders have one."""
    from integration_cases.decoder_folder import add_decoder

    folder = Path(shutil.copytree(blip3o_folder, tmp_path_factory.mktemp("drawing") / "theirs"))
    add_decoder(folder)
    return folder


@pytest.fixture(scope="session")
def blip3o_drawing(blip3o_drawing_folder, tmp_path_factory):
    """What it becomes, the target tower left out."""
    from diptych.importing.bring import import_checkpoint

    folder = tmp_path_factory.mktemp("imported") / "drawing"
    import_checkpoint("blip3o", blip3o_drawing_folder, folder)
    return folder


# -- SigLIP2 -> SANA ---------------------------------------------------------------------------------------------------

SANA = Path(__file__).parents[1] / "data" / "siglip2_sana"


@pytest.fixture(scope="session")
def sana_folders(tmp_path_factory):
    """The two layouts of one decoder, as the released code and as its trainer write it."""
    from safetensors.torch import load_file, save_file

    config = json.loads((SANA / "sana_decoder.config.json").read_text())
    tensors = load_file(SANA / "sana_decoder.weights.safetensors")
    names = json.loads((SANA / "sana_recon_branch.keymap.json").read_text())["rename"]
    made = {}
    for layout in ("released", "trainer"):
        made[layout] = tmp_path_factory.mktemp(layout)
        (made[layout] / "config.json").write_text(json.dumps(config, indent=1))
        own = {names[key]: value for key, value in tensors.items()} if layout == "trainer" else tensors
        save_file(own, made[layout] / "model.safetensors", {"format": "pt"})
    return made


@pytest.fixture(scope="session")
def sana_imported(sana_folders, tmp_path_factory):
    """What each layout becomes under reference numerics."""
    from diptych.importing.bring import import_checkpoint

    made = {}
    for layout, folder in sana_folders.items():
        made[layout] = tmp_path_factory.mktemp("imported") / layout
        import_checkpoint("siglip2-sana", folder, made[layout], numerics="reference")
    return made


# -- BLIP3o-NEXT -------------------------------------------------------------------------------------------------------

NEXT = Path(__file__).parents[1] / "data" / "blip3o_next"
TA_TOK = Path(__file__).parents[2] / "packages" / "encoders" / "tests" / "data" / "next_tatok.weights.safetensors"


@pytest.fixture(scope="session")
def next_folder(tmp_path_factory):
    """The folder as the original code writes it, with its tokenizer of pictures; its config says what the code did."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("next")
    shutil.copy(NEXT / "next_tokenizer.json", folder / "tokenizer.json")
    config = json.loads((NEXT / "next.config.json").read_text()) | {"ta_tok": {"heads": 4}}
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    tower = {f"model.vision_tower.vision_tower.{name}": value for name, value in load_file(TA_TOK).items()}
    tensors = {**load_file(NEXT / "next.weights.safetensors"), **tower}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture(scope="session")
def next_imported(next_folder, tmp_path_factory):
    """What it becomes under reference numerics."""
    from diptych.importing.bring import import_checkpoint

    folder = tmp_path_factory.mktemp("imported") / "next"
    import_checkpoint("blip3o-next", next_folder, folder, include=["vision.tokens"], numerics="reference")
    return folder


@pytest.fixture(scope="session")
def next_large(next_folder, tmp_path_factory):
    """The same with pictures of 32 x 32 latents, as the original code samples whatever it was trained with."""
    from diptych.importing.bring import import_checkpoint

    source = Path(shutil.copytree(next_folder, tmp_path_factory.mktemp("large") / "theirs"))
    config = json.loads((source / "config.json").read_text())
    config["sana"]["sample_size"] = 32
    (source / "config.json").write_text(json.dumps(config))
    folder = source.parent / "ours"
    import_checkpoint("blip3o-next", source, folder, numerics="reference")
    return folder
