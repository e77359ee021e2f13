"""The model card of a checkpoint folder: what the model is, does and is made of, and how to use it. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from diptych.plugins import registry
from diptych.spec.files import SAVED_SPEC, read_spec, spec_hash
from diptych.spec.model import ModelSpec
from diptych.spec.part import InlinePart, walk_parts


def model_card(folder: Path, manifest: Mapping[str, Any], name: str) -> str:
    """Write the card of a checkpoint folder as Markdown with the front matter that model hubs read.

    Args:
        folder: the checkpoint.
        manifest: its manifest.
        name: the hub id, or the path, that the card's examples load.
    """
    spec = read_spec(folder / SAVED_SPEC, ModelSpec)
    return "\n".join(
        [*_front(spec), "", f"# {spec.name}", "", *_uses(spec, name), *_parts(spec), *_notes(spec, manifest)]
    )


def _front(spec: ModelSpec) -> Iterator[str]:
    yield from ("---", "library_name: diptych", f"pipeline_tag: {_task(spec)}", "tags:", "- diptych")
    if spec.generate:
        yield "- text-to-image"
    if spec.understand and spec.text:
        yield "- image-text-to-text"
    yield "---"


def _task(spec: ModelSpec) -> str:
    reads, paints = bool(spec.understand and spec.text), bool(spec.generate)
    if reads and paints:
        return "any-to-any"
    if reads:
        return "image-text-to-text"
    return "text-to-image" if paints else "text-generation" if spec.text else "image-feature-extraction"


def _uses(spec: ModelSpec, name: str) -> Iterator[str]:
    yield from ("A [Diptych](https://pypi.org/project/diptych) checkpoint:", "", "```python", "import diptych", "")
    yield f'model = diptych.load("{name}")'
    if spec.text and spec.understand:
        yield 'model.ask(picture, "What is in this picture?")'
    elif spec.text:
        yield 'model.chat([[diptych.data.sample.Turn("user", ("Hello",))]])'
    if spec.generate and spec.decode:
        yield 'model.generate("two red hearts", n=4, seed=0)'
    elif spec.decode:
        yield "model.reconstruct([picture])"
    yield from ("```", "")


def _parts(spec: ModelSpec) -> Iterator[str]:
    yield from ("| part | type |", "|---|---|")
    for path, part in walk_parts(spec):
        shown = "made in code" if isinstance(part, InlinePart) else registry().name_of(part.kind, type(part))
        yield f"| `{path}` | `{shown}` |"
    yield ""


def _notes(spec: ModelSpec, manifest: Mapping[str, Any]) -> Iterator[str]:
    written = ", ".join(f"{name} {version}" for name, version in manifest.get("plugins", {}).items())
    yield f"Written with {written or 'no plugins'}; spec `{spec_hash(spec)}`, numerics `{spec.numerics}`."
    for path, why in manifest.get("left_out", {}).items():
        yield f"Without the weights of `{path}`: {why}."
    yield ""
