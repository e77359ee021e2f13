"""Which files of a foreign folder hold its tensors. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from diptych.errors import CheckpointError


SAFE_SUFFIX = ".safetensors"
PICKLE_SUFFIXES = (".bin", ".pth", ".pt")


@frozen
class WeightFiles:
    """Where a layout keeps tensors.

    Attributes:
        folder: the subfolder; empty for the checkpoint's own.
        stems: the usual names of its files.
        prefix: what the names of its tensors begin with here.
        variants: words that may stand before the suffix (`model.bf16.safetensors`), the one to prefer first; the empty
            one is for none.
        optional: the folder, this one or one around it, that a checkpoint may lack; if it is there, so are the weights.
    """

    folder: str = ""
    stems: tuple[str, ...] = ("model", "pytorch_model", "diffusion_pytorch_model")
    prefix: str = ""
    variants: tuple[str, ...] = ("",)
    optional: str = ""

    def is_lacking(self, root: Path) -> bool:
        """Say whether a checkpoint lacks this place, and may."""
        return bool(self.optional) and not (root / self.optional).is_dir()

    def find(self, root: Path) -> tuple[str, list[Path]]:
        """Return the variant, and the files: one whole one, or the shards that an index names.

        Raises:
            CheckpointError: if there are none, or if shards are missing, all of them listed.
        """
        here = root / self.folder
        for variant in self.variants:
            for stem in self.stems:
                for suffix in (SAFE_SUFFIX, *PICKLE_SUFFIXES):
                    if (here / weights_name(stem, suffix, variant)).is_file():
                        return variant, [here / weights_name(stem, suffix, variant)]
                    index = here / index_name(stem, suffix, variant)
                    if index.is_file():
                        return variant, _shards(index)
        there = ", ".join(sorted(each.name for each in here.iterdir())[:8]) if here.is_dir() else ""
        names = " or ".join(weights_name(stem, SAFE_SUFFIX, each) for stem in self.stems for each in self.variants)
        raise CheckpointError(f"{here} holds no weights: expected {names}; it holds {there or 'nothing'}")


def weights_name(stem: str, suffix: str, variant: str = "", shard: str = "") -> str:
    """Name a file of weights as transformers and diffusers do: `model.bf16-00001-of-00002.safetensors`."""
    return f"{stem}{f'.{variant}' if variant else ''}{shard}{suffix}"


def index_name(stem: str, suffix: str, variant: str = "") -> str:
    """Name the index of shards: `model.safetensors.index.bf16.json`."""
    return f"{stem}{suffix}.index{f'.{variant}' if variant else ''}.json"


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


@frozen
class Found:
    """The weight files of a checkpoint.

    Attributes:
        files: keyed for `StoredTensors`, by the prefix that their tensors get.
        variants: of each place that may have several, by its prefix.
    """

    files: Mapping[str, Path]
    variants: Mapping[str, str]


def unread_files(root: Path, found: Found) -> tuple[str, ...]:
    """Return the weight files of a folder that nothing is read from, such as a copy in another format."""
    read = set(found.files.values())
    return tuple(
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob("*"))
        if path.suffix in (SAFE_SUFFIX, *PICKLE_SUFFIXES)
        and path not in read
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def files_of(root: Path, wanted: tuple[WeightFiles, ...]) -> Found:
    """Return the files of all places of a layout that a checkpoint has.

    Raises:
        CheckpointError: naming every place without weights, and every shard that is missing.
    """
    files: dict[str, Path] = {}
    variants: dict[str, str] = {}
    problems: list[str] = []
    for each in wanted:
        if each.is_lacking(root):
            continue
        try:
            variant, paths = each.find(root)
        except CheckpointError as error:
            problems.append(str(error))
            continue
        files |= {f"{each.prefix}|{path.name}": path for path in paths}
        variants |= {each.prefix: variant} if len(each.variants) > 1 else {}
    if problems:
        raise CheckpointError("\n".join(problems))
    return Found(files, variants)
