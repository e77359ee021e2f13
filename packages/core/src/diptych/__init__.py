"""Diptych: understanding and generating images in one model, made of parts.

Importing this package is free: every name below is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from diptych.assemble import build as build
    from diptych.checkpoint.io import load as load
    from diptych.hookspecs import hookimpl as hookimpl
    from diptych.model import UnifiedModel as UnifiedModel
    from diptych.registry import Component as Component
    from diptych.spec.files import read_spec as read_spec
    from diptych.spec.files import write_spec as write_spec
    from diptych.spec.model import ModelSpec as ModelSpec
    from diptych.spec.part import InlinePart as InlinePart
    from diptych.training.run import train as train
    from diptych.version import __version__ as __version__

_HOMES = {
    "Component": "diptych.registry",
    "InlinePart": "diptych.spec.part",
    "ModelSpec": "diptych.spec.model",
    "UnifiedModel": "diptych.model",
    "__version__": "diptych.version",
    "build": "diptych.assemble",
    "hookimpl": "diptych.hookspecs",
    "load": "diptych.checkpoint.io",
    "read_spec": "diptych.spec.files",
    "train": "diptych.training.run",
    "write_spec": "diptych.spec.files",
}
__all__ = sorted(_HOMES)  # the table above is the single list


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'diptych' has no attribute '{name}'; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
