"""Foreign checkpoint -> ours. Everything is checked against names and shapes before a tensor is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from attrs import evolve, frozen

from diptych.checkpoint.folder import whole_folder
from diptych.checkpoint.io import OWN, write_description
from diptych.errors import CheckpointError
from diptych.importing.fetch import fetch
from diptych.importing.files import files_of, unread_files
from diptych.importing.importer import Foreign, Importer
from diptych.importing.origin import Origin, small_files
from diptych.importing.plan import Plan, make_plan
from diptych.importing.stored import StoredTensors
from diptych.importing.stream import write_stream
from diptych.importing.wanted import wanted_tensors
from diptych.plugins import registry
from diptych.prompt import PromptBuilder
from diptych.spec.files import merge
from diptych.spec.model import ModelSpec
from diptych.spec.named_ids import with_named_ids
from diptych.spec.structure import structure
from diptych.spec.wiring import resolve


Told = Callable[[int, int], None]
"""Called with the bytes written so far, and all bytes."""


@frozen
class Brought:
    """What an import did.

    Attributes:
        spec: the resolved spec of the model.
        tensors: how many tensors were written.
        left_out: slots that were not imported, with the reason.
        skipped: tensors of the original that were left behind, with the reason.
        absent: slots that the layout may have and the original has not, with what the model then lacks.
        unread: weight files that were not read, as the layout has no place for them or they repeat one that was.
    """

    spec: ModelSpec
    tensors: int
    left_out: Mapping[str, str]
    skipped: Mapping[str, str]
    absent: Mapping[str, str]
    unread: tuple[str, ...]


def import_checkpoint(
    importer: str | Importer,
    source: str | Path,
    destination: str | Path,
    *,
    include: Sequence[str] = (),
    allowed: Sequence[str] = (),
    numerics: Literal["clean", "reference"] = "clean",
    told: Told | None = None,
) -> Brought:
    """Read a foreign checkpoint, and write it as one of ours, whole or not at all.

    Args:
        importer: an importer, or its registered name.
        source: a folder, or a hub id.
        destination: the folder to write.
        include: slots to import that the importer would leave out.
        allowed: names, with `*`, of tensors that may be unmatched on either side.
        numerics: whether the model shall do what is right, or what the original code did.
        told: progress.

    Raises:
        CheckpointError: if it is of another family or size, is damaged, or has tensors that the table does not know.
        SpecError: if its config or tokenizer cannot be, or needs parts that are not installed.
        OutputError: if the destination cannot be written to.
    """
    name, importer = named(importer)
    folder = fetch(source)
    found = files_of(folder, importer.files)
    stored = StoredTensors(found.files)
    more = {path: read_config(folder / path) for path in importer.more_configs if (folder / path).exists()}
    config = {**read_config(folder / importer.config_file), **more}
    foreign = Foreign(config, stored.facts, folder, config_file=importer.config_file)
    importer.check(foreign)
    foreign = evolve(foreign, layout=importer.layout(foreign))
    with torch.random.fork_rng(devices=[]):
        described = read_foreign(importer, foreign, folder, numerics)
        _check_ids(described)  # before the tokens that are missing would be added
        spec = resolve(described, str(folder)).spec
        tokenizer = spec.tokenizer.build() if spec.tokenizer else None
        spec = with_named_ids(spec, tokenizer)
        wanted = wanted_tensors(spec)
    unknown = [path for path in include if path not in importer.left_out]
    if unknown:
        raise CheckpointError(
            f"{', '.join(unknown)} cannot be asked for; `{name}` leaves out {', '.join(importer.left_out) or 'nothing'}"
        )
    left_out = {path: why for path, why in importer.left_out.items() if path not in include}
    left_out = {path: why for path, why in left_out.items() if any(key.startswith(f"{path}.") for key in wanted)}
    plan = make_plan(importer.rules(foreign), stored.facts, wanted, left_out=left_out, allowed=allowed)
    refuse(plan, f"{folder} does not fit the layout `{name}`", "allow a name with --allow if it does not matter")
    _same_bits(stored, plan)
    left_out = {**left_out, **dict.fromkeys(plan.missing, "not in the imported checkpoint")}
    origin = Origin(name, small_files(folder), plan.repeated, plan.skipped, foreign.layout, found.variants)
    total, done = sum(each.facts.size for each in plan.made), 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        if told:
            told(done, total)

    with whole_folder(Path(destination), OWN) as new:
        write_description(new, spec, tokenizer, left_out, origin)
        write_stream(stored, plan.made, new / "model.safetensors", count)
    return Brought(spec, len(plan.made), left_out, plan.skipped, importer.absent(foreign), unread_files(folder, found))


def named(importer: str | Importer) -> tuple[str, Importer]:
    """Return the registered name of an importer, and the importer."""
    if isinstance(importer, str):
        return importer, registry().load("importer", importer)()
    name = registry().name_of("importer", type(importer))
    return name or type(importer).__name__, importer


def read_config(path: Path) -> dict[str, Any]:
    """Read a foreign config file.

    Raises:
        CheckpointError: if it is missing or is not a JSON mapping.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        there = ", ".join(sorted(each.name for each in path.parent.iterdir())[:8]) if path.parent.is_dir() else ""
        raise CheckpointError(f"{path} is missing; the folder holds {there or 'nothing'}") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} is damaged: expected a mapping of keys, got {type(config).__name__}")
    return config


def read_foreign(importer: Importer, foreign: Foreign, folder: Path, numerics: str = "clean") -> ModelSpec:
    """Translate a foreign config into a model spec."""
    data = {"name": folder.resolve().name, **importer.describe(foreign), "numerics": numerics}
    return structure(merge(data, importer.reference) if numerics == "reference" else data, ModelSpec, str(folder))


def refuse(plan: Plan, what: str, remedy: str) -> None:
    """Raise if anything of a plan does not fit.

    Raises:
        CheckpointError: listing the problems, the first thirty in full.
    """
    if plan.problems:
        shown = sorted(plan.problems)[:30]
        more = f"\n  … and {len(plan.problems) - 30} more" if len(plan.problems) > 30 else ""
        raise CheckpointError(f"{what}; {remedy}:\n  " + "\n  ".join(shown) + more)


def _check_ids(spec: ModelSpec) -> None:
    """See that the tokenizer, if there is one, has the special tokens of the prompt form under the config's ids.

    Raises:
        SpecError: naming each token that is not there, or whose id differs.
    """
    if spec.tokenizer:
        PromptBuilder(spec.prompt, spec.tokenizer.build()).check_ids()


def _same_bits(stored: StoredTensors, plan: Plan) -> None:
    for name, of in plan.repeated.items():
        first, second = stored.read(name), stored.read(of)
        if not torch.equal(first, second):
            raise CheckpointError(f"{name} should repeat {of}, but holds other numbers; is the config's tie right?")
