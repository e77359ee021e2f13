"""Models <-> checkpoint folders: `spec.json`, `manifest.json`, `model.safetensors`, `tokenizer/`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch

from diptych.assembly import Assembly
from diptych.checkpoint.folder import is_folder, whole_folder
from diptych.checkpoint.tensors import fill, own_tensors, read_tensors, write_tensors
from diptych.errors import CheckpointError, RequestError, SpecError
from diptych.importing.fetch import fetch, is_hub_id
from diptych.importing.origin import FOLDER, Origin, read_origin, write_origin
from diptych.model import UnifiedModel
from diptych.plugins import plugins
from diptych.prompt import PromptBuilder
from diptych.spec.files import SAVED_SPEC, find_file, read_spec, spec_hash, to_json
from diptych.spec.model import ModelSpec
from diptych.spec.named_ids import with_named_ids
from diptych.spec.numerics import unfollow
from diptych.spec.paths import suggest_path, within
from diptych.spec.wiring import resolve
from diptych.tokenizers.file import FileTokenizer
from diptych.tokenizers.text import TextTokenizer


FORMAT = 1
OWN = (SAVED_SPEC, "manifest.json", "model.safetensors", "tokenizer", FOLDER)
"""What a checkpoint's folder consists of; the last two are not in each."""


def save(
    model: UnifiedModel, path: str | Path, *, dtype: torch.dtype | None = None, leave_out: Sequence[str] = ()
) -> None:
    """Write a checkpoint folder, whole or not at all.

    Args:
        model: what to write.
        path: the folder; an older checkpoint there is replaced, other files there stay.
        dtype: the type of floating-point weights in the file; as they are unless given.
        leave_out: slot paths that are not needed after training; the manifest says so. What `model` lacks already
            stays out.

    Raises:
        RequestError: if a path to leave out holds no weights.
        UnregisteredPartError: if a part was made in code; nothing is written.
        OutputError: if the place cannot be written to.
    """
    to_json(model.spec)  # a part made in code is refused before anything else
    own = own_tensors(model.parts)
    for slot in leave_out:
        if not any(within(key, slot) for key in own):
            raise RequestError(f"leave_out: '{slot}' holds no weights{suggest_path(slot, own)}")
    left_out = {**model.left_out, **dict.fromkeys(leave_out, "needed only for training")}
    kept = {key: value for key, value in own.items() if not any(within(key, slot) for slot in left_out)}
    with whole_folder(Path(path), OWN) as folder:
        write_description(folder, model.spec, model.words, left_out, model.origin)
        write_tensors(kept, folder / "model.safetensors", dtype)


def write_description(
    folder: Path,
    spec: ModelSpec,
    tokenizer: TextTokenizer | None,
    left_out: Mapping[str, str],
    origin: Origin | None = None,
) -> None:
    """Write all of a checkpoint folder but its tensors."""
    if tokenizer:
        size = getattr(spec.tokenizer, "size", None)
        kept = FileTokenizer(path="tokenizer", special=spec.prompt.special_tokens(), size=size)
        prompt = attrs.evolve(spec.prompt, token_ids=PromptBuilder(spec.prompt, tokenizer).token_ids())
        spec = attrs.evolve(spec, tokenizer=kept, prompt=prompt)
        (folder / "tokenizer").mkdir()
        tokenizer.save(folder / "tokenizer")
    spec = unfollow(spec, spec.numerics == "reference")
    manifest = {
        "format": FORMAT,
        "spec": spec_hash(spec),
        "plugins": {each.distribution: each.version for each in plugins().loaded},
        "left_out": dict(left_out),
    }
    (folder / SAVED_SPEC).write_text(to_json(spec), encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    if origin:
        write_origin(origin, folder)


def load(
    path: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = torch.float32,
    must: Sequence[Callable[[ModelSpec], None]] = (),
) -> UnifiedModel:
    """Read a checkpoint folder.

    Args:
        path: the folder, a registered name, or the hub id of one that was pushed (`org/name`).
        device: where the weights go.
        dtype: the type to compute in; None keeps the type that most weights in the file have.
        must: each is called with the spec before any weights are read, to refuse what cannot do what it is loaded for.

    Raises:
        CheckpointError: if it is not a checkpoint, cannot be fetched, is damaged, or its tensors do not fit its spec.
        SpecError: if its spec names parts that are not installed.
    """
    folder = find_file(path)
    folder = fetch(str(path)) if is_hub_id(str(path)) and not is_folder(folder) else folder
    manifest = read_manifest(folder)
    try:
        spec = read_spec(folder / SAVED_SPEC, ModelSpec)
    except SpecError as error:
        wanted = ", ".join(f"{name} {version}" for name, version in manifest.get("plugins", {}).items())
        error.add_note(f"this checkpoint was written with: {wanted}")
        raise
    for able in must:
        able(spec)
    tensors = read_tensors(folder / "model.safetensors")
    spec = resolve(spec, str(folder / SAVED_SPEC)).spec
    tokenizer = spec.tokenizer.build() if spec.tokenizer else None
    spec = with_named_ids(spec, tokenizer)
    floats = Counter(value.dtype for value in tensors.values() if value.is_floating_point())
    with torch.random.fork_rng(devices=[]):
        parts = Assembly(spec).to(dtype or (floats.most_common(1)[0][0] if floats else torch.float32))
    left_out = dict(manifest.get("left_out", {}))
    fill(parts, tensors, str(folder / "model.safetensors"), tuple(left_out))
    model = UnifiedModel(spec, parts, tokenizer)
    model.left_out, model.origin = left_out, read_origin(folder)
    parts.eval()
    return model.to(device=device)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a checkpoint folder.

    Raises:
        CheckpointError: if it is not a checkpoint folder, is damaged, or of another format.
    """
    if not is_folder(folder):
        raise CheckpointError(f"{folder} is not a checkpoint folder: there is no such folder")
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        version = manifest["format"]
        dict(manifest.get("plugins", {}).items())
        dict(manifest.get("left_out", {}).items())
    except FileNotFoundError as error:
        there = ", ".join(sorted(each.name for each in folder.iterdir())[:8]) or "nothing"
        raise CheckpointError(f"{folder} is not a checkpoint: it has no manifest.json (it holds {there})") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder / 'manifest.json'} is damaged: {error}") from error
    if version != FORMAT:
        raise CheckpointError(f"{folder} has format {version}, this version of diptych reads format {FORMAT}")
    return manifest
