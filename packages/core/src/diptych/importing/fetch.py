"""A folder, or a hub id fetched into the cache."""

from __future__ import annotations

import re
from pathlib import Path

from diptych.checkpoint.folder import is_folder
from diptych.errors import CheckpointError


_WANTED = ["*.json", "*.txt", "*.jinja", "*.model", "*.md", "*.safetensors", "*.bin", "*.pth"]


def is_hub_id(text: str) -> bool:
    """Say whether a text could be a hub id such as `org/name`."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", text) is not None


def fetch(source: str | Path) -> Path:
    """Return the folder of a checkpoint, downloading it if `source` is a hub id such as `org/name`.

    Raises:
        CheckpointError: if there is no such folder, and no such id can be reached.
    """
    if is_folder(Path(source)):
        return Path(source)
    text = str(source)
    if not is_hub_id(text):
        raise CheckpointError(f"{text} is no folder; give the folder of a checkpoint, or a hub id such as org/name")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(text, allow_patterns=_WANTED))
    except Exception as error:  # no network, no such id, no permission: the library has an error for each
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{text} is no folder here, and as a hub id it cannot be fetched: {reason}; download it where there is a "
            "network, and give its folder"
        ) from error
