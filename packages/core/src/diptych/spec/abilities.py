"""What a model can be asked for, by its spec alone: told before any of its weights are read."""

from __future__ import annotations

from diptych.errors import RequestError
from diptych.spec.model import ModelSpec


def must_answer(spec: ModelSpec, *, pictures: bool = False) -> None:
    """Refuse a model that writes no text or, with `pictures`, reads none.

    Raises:
        RequestError: saying what its spec lacks.
    """
    if spec.text is None:
        raise RequestError(f"'{spec.name}' does not answer: its spec has no `text` head")
    if pictures and spec.understand is None:
        raise RequestError(f"'{spec.name}' does not read pictures: its spec has no `understand`")


def must_answer_about_pictures(spec: ModelSpec) -> None:
    """Refuse a model that does not answer questions about pictures; see `must_answer`."""
    must_answer(spec, pictures=True)


def must_paint(spec: ModelSpec) -> None:
    """Refuse a model that makes no pictures from words.

    Raises:
        RequestError: saying what its spec lacks.
    """
    if not spec.painted:
        raise RequestError(f"'{spec.name}' does not paint: its spec has no `generate` and `decode`")


def must_think(spec: ModelSpec) -> None:
    """Refuse a model that does not think before it paints.

    Raises:
        RequestError: saying what its spec lacks.
    """
    must_paint(spec)
    if not spec.think:
        raise RequestError(f"'{spec.name}' does not think before it paints: its spec has no `think`")


def must_look(spec: ModelSpec) -> None:
    """Refuse a model in which nothing looks at the pictures that a request starts from.

    Raises:
        RequestError: saying what its spec lacks.
    """
    if not spec.eyes:
        raise RequestError(
            f"'{spec.name}' does not paint from pictures: its spec has no `understand`, and no condition of "
            "type `reference-features`"
        )


def must_edit(spec: ModelSpec) -> None:
    """Refuse a model that makes no pictures from pictures and words; see `must_paint` and `must_look`."""
    must_paint(spec)
    must_look(spec)


def must_reconstruct(spec: ModelSpec) -> None:
    """Refuse a model that turns no features into pictures.

    Raises:
        RequestError: saying what its spec lacks.
    """
    if not spec.decode:
        raise RequestError(f"'{spec.name}' cannot reconstruct: its spec has no `decode`")
