"""Writes docs/reference.md from the registry: every part of the four packages, and every key of their files."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import yaml

from diptych.plugins import registry
from diptych.registry import KINDS, Registered
from diptych.spec import model, recipe, suite
from diptych.spec.structure import unstructure


PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"
DISTRIBUTIONS = ("diptych", "diptych-encoders", "diptych-heads", "diptych-kernels")
FILES = {
    "Model spec": (model.ModelSpec, model.Prompt, model.Understand, model.GenerateStep, model.Decode),
    "Recipe": (recipe.Recipe, recipe.Stage, recipe.Weighted),
    "Suite": (suite.Suite,),
}
TOP = """# Reference

Made by `make docs` from the registry; do not edit. `diptych list` and `diptych show TYPE` print the same for whatever
is installed, plugins of others included.
"""


def reference() -> str:
    """Return the whole page."""
    return "\n".join([TOP, *_contents(), *_files(), *_parts()]).rstrip() + "\n"


def _contents() -> Iterator[str]:
    yield "**Files:** " + " · ".join(_link(title) for title in FILES) + "\n"
    yield "**Parts:** " + " · ".join(_link(kind) for kind in KINDS if _entries(kind)) + "\n"


def _files() -> Iterator[str]:
    for title, classes in FILES.items():
        yield f"## {title}\n"
        for index, cls in enumerate(classes):
            if index:
                yield f"### {cls.__name__}\n"
            yield from _class(cls)


def _parts() -> Iterator[str]:
    for kind, meaning in KINDS.items():
        entries = _entries(kind)
        if entries:
            yield f"## {kind}\n\n{_sentence(meaning)}\n"
        for entry in entries:
            yield f"### {kind} `{entry.component.name}`\n"
            yield f"{_sentence(entry.component.summary)} From `{entry.distribution}`.\n"
            yield from _class(entry.load())


def _entries(kind: str) -> list[Registered]:
    """List the parts of a kind; named files stand in the README of their package."""
    return [each for each in registry().entries(kind) if each.distribution in DISTRIBUTIONS and kind != "spec"]


def _class(cls: Any) -> Iterator[str]:
    yield f"{inspect.getdoc(cls) or ''}\n"
    fields = attrs.fields(cls) if attrs.has(cls) else ()
    if fields:
        yield "| key | value | default | |\n|---|---|---|---|"
        for field in fields:
            cells = (f"`{field.name}`", _type(str(field.type)), _default(field), _doc(field))
            yield f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"
        yield ""
    presets = sorted(cls.presets()) if hasattr(cls, "presets") else []
    if presets:
        yield f"Presets: {', '.join(f'`{each}`' for each in presets)}\n"


def _type(written: str) -> str:
    """Turn an annotation into words of a YAML file."""
    text = re.sub(r"Annotated\[PartSpec, Slot\((.*?)\)\s*,?\s*\]", _kinds, written, flags=re.S)
    text = re.sub(r"Literal\[(.*?)\]", _choices, text)
    text = re.sub(r"tuple\[(.*), \.\.\.\]", r"list of \1", text)
    text = re.sub(r"tuple\[(.*)\]", r"[\1]", text)
    text = re.sub(r"Mapping\[str, (.*)\]", r"mapping of names to \1", text)
    for python, word in (
        ("int", "whole number"),
        ("float", "number"),
        ("str", "text"),
        ("bool", "true or false"),
        ("Any", "anything"),
    ):
        text = re.sub(rf"(?<![`\w]){python}(?![`\w])", word, text)
    return " ".join(text.replace(" | None", " or null").replace(" | ", " or ").split())


def _kinds(slot: re.Match[str]) -> str:
    """Turn the kinds of a slot into `an encoder or autoencoder`."""
    names = re.findall(r"\w+", slot[1])
    return ("an " if names[0][0] in "aeio" else "a ") + " or ".join(names)


def _choices(literal: re.Match[str]) -> str:
    """Turn the values of a literal into `one` or `other`."""
    return " or ".join(f"`{each}`" for each in re.findall(r"[^\s',\"]+", literal[1]))


def _default(field: Any) -> str:
    if field.default is attrs.NOTHING:
        return "required"
    if field.metadata.get("inferred"):
        return "follows"
    value = field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]
    if value is None:
        return "null"
    if attrs.has(type(value)) and not unstructure(value):
        return "its defaults"
    if isinstance(value, str):
        return f"`{json.dumps(value, ensure_ascii=False)}`"
    text = yaml.safe_dump(unstructure(value), default_flow_style=True, width=10_000).removesuffix("...\n").strip()
    return f"`{text}`"


def _doc(field: Any) -> str:
    return field.metadata.get("doc", "").replace(" (inferred unless given)", "")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _link(title: str) -> str:
    return f"[{title}](#{title.lower().replace(' ', '-')})"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(PAGE.parents[1])}")
