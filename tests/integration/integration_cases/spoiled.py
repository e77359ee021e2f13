"""Copies of checkpoints to spoil, and what an import must do with them: an error, and nothing written."""

import json

import pytest
from safetensors.torch import load_file, save_file

from diptych.errors import CheckpointError
from diptych.importing.bring import import_checkpoint


def config(folder, **changes):
    """Change values of the config; None takes one out."""
    path = folder / "config.json"
    said = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in said.items() if value is not None}))


def tensors(folder, change):
    """Change the tensors, a mapping by name, in place."""
    path = folder / "model.safetensors"
    found = load_file(path)
    change(found)
    save_file(found, path)


def refused(importer, folder, error=CheckpointError, **more):
    """Import a folder called `theirs`, alone where it lies: -> the error's text."""
    with pytest.raises(error) as caught:
        import_checkpoint(importer, folder, folder.parent / "ours", **more)
    assert [each.name for each in folder.parent.iterdir()] == ["theirs"]
    return str(caught.value)
