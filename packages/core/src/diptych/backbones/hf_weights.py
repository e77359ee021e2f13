"""Initial weights of a transformers checkpoint -> a backbone, with rows for tokens that it does not know."""

from __future__ import annotations

import re
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from diptych.backbones.lora import base_name, is_adapter
from diptych.errors import CheckpointError


_ANYWAY = re.compile(
    r"_name_or_path|architectures|transformers_version|dtype|model_type|problem_type|(id2label|label2id)"
    r"|use_cache|return_dict|output_.*|chunk_size_feed_forward|is_encoder_decoder|.*_token_id"
    r"|initializer_range|.*dropout|vocab_size|max_position_embeddings|max_window_layers|pretraining_tp"
)
"""Config fields that change no number of a pass: names, what fresh weights and training need, rows and most lengths."""


@torch.no_grad()
def fill_from_transformers(model: Any, source: str, known_ids: int | None) -> None:
    """Copy the weights of a checkpoint that transformers wrote.

    Rows of the embedding (and of an output matrix of its own) beyond those that the checkpoint knows start at the mean
    of the known ones, as transformers itself starts them (Hewitt 2021, "Initializing new word embeddings").

    Args:
        model: a transformers model with a language head; adapters in it are left alone.
        source: a local folder or a hub id.
        known_ids: ids that the checkpoint was trained with; all of its rows if None. Released tables are often padded.

    Raises:
        CheckpointError: if there is no checkpoint, or anything of it does not fit: all differences listed; the model
            is then as before.
    """
    try:
        given, report = type(model).from_pretrained(source, dtype=torch.float32, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"weights '{source}' cannot be read as a {type(model).__name__}: {error}") from error
    loaded, own = given.state_dict(), {n: v for n, v in model.state_dict().items() if not is_adapter(n)}
    tables = _tables(model)
    problems = _other_settings(given.config, model.config)
    problems += [f"missing: {name}" for name in report["missing_keys"]]
    problems += [f"missing: {base_name(name)}" for name in own if base_name(name) not in loaded]
    problems += [f"unexpected: {name}" for name in loaded if name not in {base_name(each) for each in own}]
    problems += [
        f"{name}: {list(loaded[name].shape)} in the checkpoint, {list(value.shape)} in the spec"
        for name, value in ((base_name(each), value) for each, value in own.items())
        if name in loaded and not _fits(loaded[name], value, rows=name in tables)
    ]
    problems += [f"{name}: holds NaN or infinity" for name, value in loaded.items() if not value.isfinite().all()]
    if problems:
        shown = sorted(set(problems))
        more = [f"… and {len(shown) - 20} more"] if len(shown) > 20 else []
        raise CheckpointError("\n  ".join([f"weights '{source}' do not fit the spec:", *shown[:20], *more]))
    for name, value in own.items():
        _copy(loaded[base_name(name)], value, known_ids if base_name(name) in tables else None)


def _tables(model: Any) -> set[str]:
    """Name the tensors with a row an id: the embedding, and the output matrix."""
    held = [each.weight for each in (model.get_input_embeddings(), model.get_output_embeddings())]
    named = model.named_parameters(remove_duplicate=False)
    return {name for name, each in named if any(each is table for table in held)}


def _copy(given: Tensor, own: Tensor, known: int | None) -> None:
    rows = min(len(given), len(own), known or len(given)) if own.ndim else 0
    if not own.ndim:
        own.copy_(given)
        return
    own[:rows].copy_(given[:rows])
    if rows < len(own):
        own[rows:].copy_(given[:rows].mean(0, keepdim=True).expand_as(own[rows:]))


def _fits(given: Tensor, own: Tensor, *, rows: bool) -> bool:
    return given.shape[1:] == own.shape[1:] if rows else given.shape == own.shape


def _other_settings(given: Any, own: Any, path: str = "") -> list[str]:
    """Say which settings that no shape shows differ, parts of the config included."""
    problems = []
    theirs, ours = given.to_dict(), own.to_dict()
    for name in ours:
        if name in given.sub_configs:
            problems += _other_settings(getattr(given, name), getattr(own, name), f"{name}.")
        elif not _ANYWAY.fullmatch(name) and not (path and name == "tie_word_embeddings"):  # the whole model's counts
            a, b = (list(x) if isinstance(x, tuple) else x for x in (theirs.get(name), ours[name]))
            if a != b:
                problems.append(f"{path}{name}: {a} in the checkpoint, {b} in the spec")
    return problems
