"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from diptych.errors import OutputError


def is_folder(path: Path) -> bool:
    """Say whether a path is a folder; a name that no file system takes is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


@contextmanager
def whole_folder(path: Path, own: Collection[str]) -> Iterator[Path]:
    """Give a temporary folder beside `path`; on success it takes the place of `path`, on failure it vanishes.

    Of an older folder only what has one of the names `own` goes; everything else in it stays.

    Raises:
        OutputError: if the place cannot be written to, or holds something else than a folder.
    """
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file; give the name of a folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        temporary.chmod(0o755)
    except OSError as error:
        raise OutputError(f"cannot write to {path.parent}: {error.strerror}; choose another place") from error
    try:
        yield temporary
        old = temporary.with_name(temporary.name + ".old")
        if path.exists():
            path.rename(old)
        try:
            temporary.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        for each in old.iterdir() if old.exists() else ():
            if each.name not in own:
                each.rename(path / each.name)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; what was there is unharmed") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success it becomes `path`, on failure it vanishes.

    Raises:
        OutputError: if the place cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another place") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
