"""Ours -> foreign checkpoint: the same table read backwards, and the config that says what the spec says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from diptych.checkpoint.folder import whole_folder
from diptych.checkpoint.io import read_manifest
from diptych.errors import CheckpointError, SpecError
from diptych.importing.bring import Told, named, read_foreign, refuse
from diptych.importing.importer import Foreign, Importer
from diptych.importing.origin import Origin, read_origin
from diptych.importing.plan import Made, backwards, make_plan
from diptych.importing.stored import StoredTensors
from diptych.importing.stream import write_stream
from diptych.spec.files import find_file, read_spec
from diptych.spec.model import ModelSpec
from diptych.spec.numerics import without_switches
from diptych.spec.structure import unstructure
from diptych.spec.wiring import resolve


SHARD = 5 << 30
"""Bytes of one file of an export, as transformers cuts them."""


@frozen
class Sent:
    """What an export did.

    Attributes:
        tensors: how many tensors were written.
        files: the names of the weight files.
        left_out: slots whose tensors ours does not hold, with the reason.
        skipped: tensors that were left behind when it was imported, or now, with the reason.
    """

    tensors: int
    files: tuple[str, ...]
    left_out: Mapping[str, str]
    skipped: Mapping[str, str]


def export_checkpoint(
    importer: str | Importer,
    source: str | Path,
    destination: str | Path,
    *,
    shard: int = SHARD,
    told: Told | None = None,
) -> Sent:
    """Write a checkpoint of ours in the layout of an importer, whole or not at all.

    Args:
        importer: an importer, or its registered name.
        source: a checkpoint folder of ours, or a registered name.
        destination: the folder to write.
        shard: most bytes a weight file.
        told: progress.

    Raises:
        CheckpointError: if the layout cannot say what the model is, naming what differs.
        OutputError: if the destination cannot be written to.
    """
    name, importer = named(importer)
    folder = find_file(source)
    manifest = read_manifest(folder)
    origin = read_origin(folder) or Origin(name)
    if origin.importer != name:
        raise CheckpointError(f"{folder} came from the layout `{origin.importer}`; export it as that")
    if len(importer.files) != 1:
        raise CheckpointError(f"the layout `{name}` keeps weights in several folders, and can only be imported")
    read = evolve(read_spec(folder / "spec.json", ModelSpec), numerics="clean")  # no layout says which
    spec = resolve(read, str(folder)).spec
    stored = StoredTensors({"": folder / "model.safetensors"})
    original = json.loads(origin.files.get(importer.config_file, b"{}"))
    config = importer.config(spec, original)
    plan = make_plan(backwards(importer.rules(Foreign(config, {}, layout=origin.layout))), stored.facts, None)
    refuse(plan, f"{folder} does not fit the layout `{name}`", "it holds what the layout has no name for")
    made = [*plan.made, *_repeats(plan.made, origin)]
    tensors = {each.name: evolve(each.facts, file="") for each in made}
    _check_says_the_same(importer, spec, Foreign(config, tensors, folder, origin.layout), folder)
    shards = _shards(made, shard)
    total, done = sum(each.facts.size for each in made), 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        if told:
            told(done, total)

    with whole_folder(Path(destination)) as new:
        for file, data in origin.files.items():
            (new / file).parent.mkdir(parents=True, exist_ok=True)
            (new / file).write_bytes(data)
        if spec.tokenizer and "tokenizer.json" not in origin.files:
            (new / "tokenizer.json").write_bytes((folder / "tokenizer" / "tokenizer.json").read_bytes())
        (new / importer.config_file).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        for file, own in shards.items():
            write_stream(stored, own, new / importer.files[0].folder / file, count)
        if len(shards) > 1:
            index = {
                "metadata": {"total_size": total},
                "weight_map": {each.name: file for file, own in sorted(shards.items()) for each in own},
            }
            (new / importer.files[0].folder / f"{_stem(importer)}.safetensors.index.json").write_text(
                json.dumps(index, indent=2) + "\n", encoding="utf-8"
            )
    return Sent(len(made), tuple(shards), dict(manifest.get("left_out", {})), {**origin.skipped, **plan.skipped})


def _repeats(made: tuple[Made, ...], origin: Origin) -> list[Made]:
    """Write again what repeated another tensor in the original."""
    by_name = {each.name: each for each in made}
    return [evolve(by_name[of], name=name) for name, of in origin.repeated.items() if of in by_name]


def _shards(made: list[Made], most: int) -> dict[str, list[Made]]:
    """Cut the tensors into files of at most so many bytes, in the order of their names."""
    groups: list[list[Made]] = [[]]
    size = 0
    for each in sorted(made, key=lambda each: each.name):
        if groups[-1] and size + each.facts.size > most:
            groups.append([])
            size = 0
        groups[-1].append(each)
        size += each.facts.size
    if len(groups) == 1:
        return {"model.safetensors": groups[0]}
    return {f"model-{i:05d}-of-{len(groups):05d}.safetensors": own for i, own in enumerate(groups, 1)}


def _stem(importer: Importer) -> str:
    return importer.files[0].stems[0]


def _check_says_the_same(importer: Importer, spec: ModelSpec, foreign: Foreign, folder: Path) -> None:
    """Read what would be written, and compare it with the model: a layout must not lose what it has no field for.

    Raises:
        CheckpointError: naming all places that differ.
    """
    try:
        again = resolve(read_foreign(importer, foreign, folder), str(folder)).spec
    except SpecError as error:
        raise CheckpointError(f"the layout cannot say what {folder} is: {error}") from error
    ours, theirs = comparable(importer.settled(spec)), comparable(importer.settled(again))
    differing = [
        f"{path}: {ours.get(path, 'nothing')} here, {theirs.get(path, 'nothing')} in the layout"
        for path in sorted(ours.keys() | theirs.keys())
        if ours.get(path) != theirs.get(path)
    ]
    if differing:
        raise CheckpointError(f"the layout cannot say what {folder} is:\n  " + "\n  ".join(differing[:20]))


def comparable(spec: ModelSpec) -> dict[str, Any]:
    """Return all values of a spec by path, but for those that no layout holds, such as how it samples."""
    flat: dict[str, Any] = {}

    def add(value: Any, path: str) -> None:
        if isinstance(value, Mapping):
            for key, each in value.items():
                add(each, f"{path}.{key}" if path else key)
        elif isinstance(value, list):
            for index, each in enumerate(value):
                add(each, f"{path}.{index}")
        else:
            flat[path] = value

    add(unstructure(without_switches(spec)), "")
    free = (
        "name",
        "tokenizer.path",
        "tokenizer.special",
        "tokenizer.size",
        "prompt.token_ids",
        "backbone.weights",
        "backbone.known_ids",
    )
    return {
        path: value
        for path, value in flat.items()
        if not path.startswith(free) and not any(each in path for each in (".sampler", ".guidance", ".timesteps"))
    }
