"""Ids of tokens that parts know by name: looked up when a model is built, stored in its spec, checked on load."""

from __future__ import annotations

from typing import Any

from diptych.errors import Problem, SpecError
from diptych.spec.model import ModelSpec
from diptych.spec.part import evolved, replace_part, walk_parts


def with_named_ids(spec: ModelSpec, tokenizer: Any) -> ModelSpec:
    """Fill in every id that a part knows by its token's name (`named_ids() -> {field: token}`).

    Raises:
        SpecError: for tokens that the tokenizer does not know, and ids in the spec that are others than its own.
    """
    problems = []
    for path, part in list(walk_parts(spec)):
        own = {}
        for field, token in getattr(part, "named_ids", dict)().items():
            try:
                own[field] = tokenizer.id_of(token)
            except SpecError as error:
                problems.append(Problem(f"{path}.{field}", "; ".join(each.message for each in error.problems)))
                continue
            stored = getattr(part, field)
            if stored not in (None, own[field]):
                message = f"'{token}' is {own[field]} in the tokenizer, but {stored} in the spec"
                problems.append(Problem(f"{path}.{field}", message))
        if own and not problems:
            spec = replace_part(spec, path, evolved(part, **own))
    if problems:
        raise SpecError(problems, "tokenizer")
    return spec
