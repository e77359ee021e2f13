"""The folder `origin/` of an imported checkpoint: its importer, and the small files of the original."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from diptych.errors import CheckpointError


FOLDER = "origin"
_RECORD = "importer.json"
_SMALL = 64 << 20  # a tokenizer with its merges takes about 10 MB
_INDEX = re.compile(r"\.index(\.\w+)?\.json$")  # of shards, which are cut anew
_SUFFIXES = {".json", ".txt", ".jinja", ".model", ".md"}


@frozen
class Origin:
    """What a checkpoint keeps of where it came from, so that it can be exported again.

    Attributes:
        importer: the registered name of the importer.
        files: the small files of the original folder by name, as they were.
        repeated: tensors that only repeated another: name -> the other's name.
        skipped: tensors that were left behind: name -> why.
        layout: which of its importer's layouts it had.
        variants: words in the names of its weight files, such as bf16, by the prefix of their tensors; empty for none.
    """

    importer: str
    files: Mapping[str, bytes] = field(factory=dict)
    repeated: Mapping[str, str] = field(factory=dict)
    skipped: Mapping[str, str] = field(factory=dict)
    layout: str = ""
    variants: Mapping[str, str] = field(factory=dict)


def small_files(root: Path) -> dict[str, bytes]:
    """Return configs, tokenizer files and the model card of a foreign folder, subfolders included."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        listed = path.suffix in _SUFFIXES and not _INDEX.search(name)
        if listed and not hidden and path.is_file() and path.stat().st_size <= _SMALL:
            found[name] = path.read_bytes()
    return found


def write_origin(origin: Origin, folder: Path) -> None:
    """Write `origin/` into a checkpoint folder."""
    here = folder / FOLDER
    here.mkdir()
    record = {"importer": origin.importer, "repeated": dict(origin.repeated), "skipped": dict(origin.skipped)}
    record |= {"layout": origin.layout} if origin.layout else {}
    record |= {"variants": dict(origin.variants)} if origin.variants else {}
    (here / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for name, data in origin.files.items():
        path = here / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def read_origin(folder: Path) -> Origin | None:
    """Read `origin/` of a checkpoint folder; None if it was not imported.

    Raises:
        CheckpointError: if it is damaged.
    """
    here = folder / FOLDER
    if not here.is_dir():
        return None
    try:
        record = json.loads((here / _RECORD).read_text(encoding="utf-8"))
        paths = sorted(path for path in (here / "files").rglob("*") if path.is_file())
        files = {path.relative_to(here / "files").as_posix(): path.read_bytes() for path in paths}
        layout, variants = str(record.get("layout", "")), dict(record.get("variants", {}))
        return Origin(record["importer"], files, dict(record["repeated"]), dict(record["skipped"]), layout, variants)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(f"{here / _RECORD} is damaged: {error}") from error
