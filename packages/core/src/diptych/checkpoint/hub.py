"""A checkpoint folder -> a model hub, in one commit, with a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diptych.checkpoint.card import model_card
from diptych.checkpoint.io import OWN, read_manifest
from diptych.errors import CheckpointError, RequestError
from diptych.importing.fetch import is_hub_id
from diptych.spec.files import find_file


CARD = "README.md"
_PUSHED = (*OWN, CARD)
"""What of a folder is pushed: a checkpoint's own files, and nothing that may lie beside them."""


def push(
    source: str | Path, repo_id: str, *, private: bool = False, message: str = "A Diptych checkpoint", api: Any = None
) -> str:
    """Upload a checkpoint folder to a model hub as one commit; the repository is made if it is not there.

    A card is written unless the folder has one.

    Args:
        source: the folder, or a registered name.
        repo_id: organisation and name, such as `org/name`.
        private: make a new repository private.
        message: of the commit.
        api: a `huggingface_hub.HfApi`, for another endpoint or token; that of the environment unless given.

    Returns:
        Where it is.

    Raises:
        RequestError: if the id is none, or the hub refuses.
        CheckpointError: if the folder is not a checkpoint, or lacks its weights.
    """
    if not is_hub_id(repo_id):
        raise RequestError(f"'{repo_id}' is no hub id; give organisation and name, such as org/name")
    folder = find_file(source)
    manifest = read_manifest(folder)
    absent = [name for name in OWN[:3] if not (folder / name).is_file()]
    if absent:
        raise CheckpointError(f"{folder} is not whole: it lacks {', '.join(absent)}")
    card = model_card(folder, manifest, repo_id)
    from huggingface_hub import CommitOperationAdd, HfApi

    paths = sorted(path for name in _PUSHED for path in _files(folder / name))
    files = [CommitOperationAdd(path.relative_to(folder).as_posix(), path) for path in paths]
    if not (folder / CARD).exists():
        files.append(CommitOperationAdd(CARD, card.encode()))
    api = HfApi(library_name="diptych") if api is None else api
    try:
        api.create_repo(repo_id, private=private, exist_ok=True, repo_type="model")
        return str(api.create_commit(repo_id, files, commit_message=message, repo_type="model"))
    except Exception as error:  # no network, no token, no permission: the library has an error for each
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RequestError(f"{repo_id} cannot be pushed to: {reason}; `hf auth login` stores a token") from error


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
