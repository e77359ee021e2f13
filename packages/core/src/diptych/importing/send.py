"""Ours -> foreign checkpoint: the same table read backwards, and the config that says what the spec says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from diptych.checkpoint.folder import is_folder, whole_folder
from diptych.checkpoint.io import read_manifest
from diptych.errors import CheckpointError, OutputError, SpecError
from diptych.importing.bring import Told, named, read_foreign, refuse
from diptych.importing.files import SAFE_SUFFIX, WeightFiles, index_name, weights_name
from diptych.importing.importer import Foreign, Importer
from diptych.importing.origin import Origin, read_origin
from diptych.importing.plan import Made, backwards, make_plan
from diptych.importing.stored import StoredTensors
from diptych.importing.stream import write_stream
from diptych.spec.files import SAVED_SPEC, find_file, read_spec
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
        destination: the folder to write, new or empty.
        shard: most bytes a weight file.
        told: progress.

    Raises:
        CheckpointError: if the layout cannot say what the model is, naming what differs.
        OutputError: if the destination cannot be written to, or holds anything.
    """
    name, importer = named(importer)
    if is_folder(Path(destination)) and (there := sorted(each.name for each in Path(destination).iterdir())):
        raise OutputError(f"{destination} holds {', '.join(there[:4])} already; give a new folder")
    folder = find_file(source)
    manifest = read_manifest(folder)
    origin = read_origin(folder) or Origin(name)
    if origin.importer != name:
        raise CheckpointError(f"{folder} came from the layout `{origin.importer}`; export it as that")
    read = evolve(read_spec(folder / SAVED_SPEC, ModelSpec), numerics="clean")  # no layout says which
    spec = resolve(read, str(folder)).spec
    stored = StoredTensors({"": folder / "model.safetensors"})
    original = _configs(importer, origin)
    config = importer.config(spec, original)
    plan = make_plan(backwards(importer.rules(Foreign(config, {}, layout=origin.layout))), stored.facts, None)
    refuse(plan, f"{folder} does not fit the layout `{name}`", "it holds what the layout has no name for")
    made = [*plan.made, *_repeats(plan.made, origin)]
    tensors = {each.name: evolve(each.facts, file="") for each in made}
    _check_says_the_same(importer, spec, Foreign(config, tensors, folder, origin.layout), folder)
    places = _places(importer, made, origin, shard)
    lacking = tuple(f"{each.optional}/" for each, shards in places if each.optional and not shards)
    configs = {file: data for file, data in _written(importer, config).items() if not file.startswith(lacking)}
    total, done = sum(each.facts.size for each in made), 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        if told:
            told(done, total)

    with whole_folder(Path(destination), ()) as new:
        files = {file: data for file, data in origin.files.items() if not file.startswith(lacking)}
        if spec.tokenizer and "tokenizer.json" not in origin.files:
            files["tokenizer.json"] = (folder / "tokenizer" / "tokenizer.json").read_bytes()
        for file, said in configs.items():
            if file not in files or json.loads(files[file]) != said:
                files[file] = (json.dumps(said, indent=2) + "\n").encode()
        for file, data in files.items():
            (new / file).parent.mkdir(parents=True, exist_ok=True)
            (new / file).write_bytes(data)
        for place, shards in places:
            _write_place(stored, place, shards, new, _variant(place, origin), count)
    written = tuple(f"{place.folder}/{file}".lstrip("/") for place, shards in places for file in shards)
    return Sent(len(made), written, dict(manifest.get("left_out", {})), {**origin.skipped, **plan.skipped})


def _configs(importer: Importer, origin: Origin) -> dict[str, Any]:
    """Return what the config files of the original said, as `Foreign.config` has it."""
    more = {path: json.loads(origin.files[path]) for path in importer.more_configs if path in origin.files}
    return {**json.loads(origin.files.get(importer.config_file, b"{}")), **more}


def _written(importer: Importer, config: Mapping[str, Any]) -> dict[str, Any]:
    """Cut a config into the files that it is written to; the opposite of `_configs`."""
    own = {key: value for key, value in config.items() if key not in importer.more_configs}
    more = {path: config[path] for path in importer.more_configs if path in config}
    return {importer.config_file: own, **more}


Place = tuple[WeightFiles, dict[str, list[Made]]]


def _places(importer: Importer, made: list[Made], origin: Origin, most: int) -> list[Place]:
    """Say which files each place of the layout gets, and which tensors each file; optional places may get none."""
    left, places = list(made), []
    for place in sorted(importer.files, key=lambda each: -len(each.prefix)):  # one without a prefix takes what is left
        own = [each for each in left if each.name.startswith(place.prefix)]
        left = [each for each in left if not each.name.startswith(place.prefix)]
        own = [evolve(each, name=each.name.removeprefix(place.prefix)) for each in own]
        shards = _shards(own, most, place.stems[0], _variant(place, origin)) if own or not place.optional else {}
        places.append((place, shards))
    return places[::-1]


def _variant(place: WeightFiles, origin: Origin) -> str:
    return origin.variants.get(place.prefix, place.variants[0])


def _write_place(
    stored: StoredTensors, place: WeightFiles, shards: dict[str, list[Made]], root: Path, variant: str, told: Any
) -> None:
    """Write the weights of one place, and their index if they are cut."""
    here = root / place.folder
    for file, own in shards.items():
        here.mkdir(parents=True, exist_ok=True)
        write_stream(stored, own, here / file, told)
    if len(shards) > 1:
        index = {
            "metadata": {"total_size": sum(each.facts.size for own in shards.values() for each in own)},
            "weight_map": {each.name: file for file, own in sorted(shards.items()) for each in own},
        }
        name = index_name(place.stems[0], SAFE_SUFFIX, variant)
        (here / name).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _repeats(made: tuple[Made, ...], origin: Origin) -> list[Made]:
    """Write again what repeated another tensor in the original."""
    by_name = {each.name: each for each in made}
    return [evolve(by_name[of], name=name) for name, of in origin.repeated.items() if of in by_name]


def _shards(made: list[Made], most: int, stem: str, variant: str) -> dict[str, list[Made]]:
    """Cut the tensors into files of at most so many bytes, in the order of their names."""
    groups: list[list[Made]] = [[]]
    size = 0
    for each in sorted(made, key=lambda each: each.name):
        if groups[-1] and size + each.facts.size > most:
            groups.append([])
            size = 0
        groups[-1].append(each)
        size += each.facts.size
    count = len(groups)
    numbers = [f"-{i:05d}-of-{count:05d}" if count > 1 else "" for i in range(1, count + 1)]
    return {weights_name(stem, SAFE_SUFFIX, variant, each): own for each, own in zip(numbers, groups, strict=True)}


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
        if not path.startswith(free)
        and not path.endswith(".weights")
        and not any(each in path for each in (".sampler", ".guidance", ".timesteps"))
    }
