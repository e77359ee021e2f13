"""Which files of a foreign folder hold its tensors. No torch."""

from __future__ import annotations

import json
from pathlib import Path

from attrs import frozen

from diptych.errors import CheckpointError


SAFE_SUFFIX = ".safetensors"
PICKLE_SUFFIXES = (".bin", ".pth", ".pt")


@frozen
class WeightFiles:
    """Where a layout keeps tensors: a subfolder, the usual names of its files, and a prefix for their names here."""

    folder: str = ""
    stems: tuple[str, ...] = ("model", "pytorch_model", "diffusion_pytorch_model")
    prefix: str = ""

    def find(self, root: Path) -> list[Path]:
        """Return the files: one whole one, or the shards that an index names.

        Raises:
            CheckpointError: if there are none, or if shards are missing, all of them listed.
        """
        here = root / self.folder
        for stem in self.stems:
            for suffix in (SAFE_SUFFIX, *PICKLE_SUFFIXES):
                if (here / f"{stem}{suffix}").is_file():
                    return [here / f"{stem}{suffix}"]
                index = here / f"{stem}{suffix}.index.json"
                if index.is_file():
                    return _shards(index)
        there = ", ".join(sorted(each.name for each in here.iterdir())[:8]) if here.is_dir() else ""
        names = " or ".join(f"{stem}{SAFE_SUFFIX}" for stem in self.stems)
        raise CheckpointError(f"{here} holds no weights: expected {names}; it holds {there or 'nothing'}")


def _shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        paths = [index.parent / name for name in names]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} is damaged: {error}") from error
    outside = [name for name in names if Path(name).name != name]
    if outside:
        raise CheckpointError(f"{index} names files outside its folder: {', '.join(outside)}")
    absent = [path.name for path in paths if not path.is_file()]
    if absent:
        raise CheckpointError(
            f"{index.parent} lacks {len(absent)} of {len(paths)} shards: {', '.join(absent)}; download it again"
        )
    return paths


def files_of(root: Path, wanted: tuple[WeightFiles, ...]) -> dict[str, Path]:
    """Return the files of all places of a layout, keyed for `StoredTensors`."""
    return {f"{each.prefix}|{path.name}": path for each in wanted for path in each.find(root)}
