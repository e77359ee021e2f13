"""Shared by all tests of core: one thread, the folder of helpers on the path, one saved tiny model."""

import sys
from pathlib import Path

import pytest
import torch


sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A checkpoint of the tiny model of `core_cases.small`, made once."""
    from core_cases.small import model_spec

    import diptych

    folder = tmp_path_factory.mktemp("saved") / "model"
    diptych.build(model_spec()).save(folder)
    return folder


@pytest.fixture
def own_copy(saved, tmp_path):
    """A copy of the checkpoint that a test may damage."""
    import shutil

    return Path(shutil.copytree(saved, tmp_path / "copy"))
